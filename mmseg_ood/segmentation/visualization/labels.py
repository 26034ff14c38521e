"""Where the scores of boxes are written, so that each can be read."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

Box = tuple[int, int, int, int, float]
"""x, y, width, height in px and score of a component."""

MOST_LABELS = 20  # a picture with more numbers is a table


def format_score(score: float) -> str:
    """A score with three digits, as it is written in pictures."""
    return f'{score:.3g}'


def place_labels(boxes: Sequence[Box], sizes: Sequence[tuple[float, float]], height: int,
                 width: int) -> dict[int, tuple[float, float]]:
    """Find room for labels: inside the picture, beside their box, none over another one.

    The highest scores choose first. A label without room is left out.

    Args:
        boxes: The boxes.
        sizes: Width and height in px of the label of each.
        height: Height of the picture in px.
        width: Its width.

    Returns:
        x and y of the upper left corner of a label by the index of its box, for at most ``MOST_LABELS`` of them.

    Example:
        >>> place_labels([(4, 20, 9, 9, 1.0), (5, 20, 9, 9, 2.0)], sizes=[(30, 10)] * 2, height=64, width=64)
        {1: (5, 10), 0: (4, 29)}
    """
    placed: dict[int, tuple[float, float]] = {}
    for index in sorted(range(len(boxes)), key=lambda index: boxes[index][-1], reverse=True)[:MOST_LABELS]:
        others = [(*corner, *sizes[other]) for other, corner in placed.items()]
        for left, top in _corners(boxes[index], *sizes[index], width):
            label = left, top, *sizes[index]
            if 0 <= top <= height - sizes[index][1] and not any(_overlap(label, other) for other in others):
                placed[index] = left, top
                break
    return placed


def _corners(box: Box, label_width: float, label_height: float, width: int) -> Iterable[tuple[float, float]]:
    """Above, below and inside the box, the best first."""
    x, y, box_width, box_height, _ = box
    for top in (y - label_height, y + box_height, y):
        for left in (x, x + box_width - label_width):
            yield max(0, min(left, width - label_width)), top


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(one[axis] < other[axis] + other[axis + 2] and other[axis] < one[axis] + one[axis + 2] for axis in (0, 1))

"""How many inliers and outliers have which score: a table of bounded size over the whole of float32.

The scores of little data are kept as they are. Those of more data are counted in cells: float32 is cut into pages
of 2^13 neighbouring values, and a page that occurs gets a stretch of the table. While all pages fit at full
resolution, a cell holds one value. Otherwise the width of all cells is doubled as often as needed. Two things keep
figures exact nevertheless: low bits that no score uses (float16, 8-bit and 16-bit maps) need no cells, and cells stay
narrow towards 0, 1 and -1, where probabilities saturate and where scores are clipped.

The widths follow from the set of scores alone. So the state depends neither on the order of the data nor on how it
was split over processes and merged.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

_PAGE_BITS = 13
_PAGE_SIZE = 1 << _PAGE_BITS
_NUM_PAGES = 1 << 19  # all of float32, not a number included: those may stand on void pixels
_INFINITY = 0x7F800000
_SHIFT_BITS = 4  # of a directory entry; the rest is the first cell of the page
_MISSING = -1
MIN_CELLS = 1 << 20  # enough for every page of float32 at the coarsest resolution
_CHUNK = 1 << 17  # keeps what a CPU computes for a chunk in its cache
_BLOCK = 1 << 17
_LARGEST_INT32 = 2**31 - 1


def to_keys(scores: Tensor) -> Tensor:
    """float32 to int32 of the same order, 0.0 and -0.0 to 0.

    Args:
        scores: float32 of any shape.

    Example:
        >>> to_keys(torch.tensor([-1.0, -0.0, 0.0, 2.0])).tolist()
        [-1065353216, 0, 0, 1073741824]
    """
    bits = scores.view(torch.int32)
    sign = bits >> 31  # -1 or 0; what follows negates the magnitude where it is -1
    return (bits & 0x7FFFFFFF).bitwise_xor_(sign).sub_(sign)


def to_scores(keys: Tensor) -> Tensor:
    """Inverse of :func:`to_keys`."""
    return torch.where(keys < 0, (-keys) | -(1 << 31), keys).to(torch.int32).view(torch.float32)


def _largest_shifts(pages: Tensor) -> Tensor:
    """How many low bits pages may lose: none beside 0, 1 and -1, one more when the distance to 1 doubles."""
    page = pages - _NUM_PAGES // 2
    page = torch.where(page < 0, -page - 1, page)
    one = 0x3F800000 >> _PAGE_BITS  # 1.0 is the first value of this page
    distance = torch.where(page < one, one - 1 - page, page - one)
    distance[page == 0] = 0
    return torch.log2(distance + 1.0).floor().clamp_(max=_PAGE_BITS).to(torch.int32)


def _page_of(keys: Tensor) -> Tensor:
    return (keys >> _PAGE_BITS).add_(_NUM_PAGES // 2)


class Cells(NamedTuple):
    """A stretch of occupied and empty cells, from high to low scores."""
    keys: Tensor
    """(K,) int32, the lowest key of each cell."""
    inliers: Tensor
    """(K,) whole counts, whose sum over all cells fits their type."""
    outliers: Tensor
    """(K,) whole counts, likewise."""
    exact: Tensor
    """(K,) bool, whether all scores of the cell are one value."""


class ScoreCounts:
    """Counts of two kinds of scores; see the top of this file.

    Args:
        max_cells: Size of the table, 8 bytes a cell for both counts (16 beyond 2^31 scores).
        max_kept: Up to this number of scores they are kept as they are, 5 bytes each.

    Raises:
        ValueError: ``max_cells`` is too small.
    """

    def __init__(self, max_cells: int, max_kept: int) -> None:
        if max_cells < MIN_CELLS:
            raise ValueError(f'max_bins must be at least {MIN_CELLS}, found {max_cells}')
        self.max_cells, self.max_kept = max_cells, max_kept
        self.num_kept = 0
        self._kept: list[tuple[Tensor, Tensor]] = []  # keys int32 and labels uint8 of the same length
        self._table: Tensor | None = None  # (2, cells); the first page is where void pixels are counted
        self._num_counted = 0
        self.level = 0  # low bits that cells leave out where nothing allows more or less
        self._unused_bits = _PAGE_BITS  # low bits that no score has used so far
        self._pages = torch.empty(0, dtype=torch.int64)  # in the order of their stretches
        self._shifts = torch.empty(0, dtype=torch.int32)

    def add(self, scores: Tensor, labels: Tensor) -> None:
        """Count finite scores (those of void pixels may be anything).

        Args:
            scores: (N,) float32.
            labels: (N,) uint8 on the same device: 0 inlier, 1 outlier, others void.
        """
        if self._table is None:
            number = len(labels) - int(torch.count_nonzero(labels >> 1))
            if self.num_kept + number <= self.max_kept:
                self._kept = [(keys.to(scores.device), kept.to(scores.device)) for keys, kept in self._kept]
                for score, label in zip(_chunks(scores), _chunks(labels), strict=True):
                    self._keep(*_without_void(score, label))
                return
            self._start_table(scores.device)
        if self._table.device != scores.device:
            self._move(scores.device)
        self._count_in_chunks(scores, labels)

    def merge(self, other: ScoreCounts) -> None:
        """Add the counts of another one of the same sizes."""
        if self._table is None and other._table is None and self.num_kept + other.num_kept <= self.max_kept:
            device = self.device
            for keys, labels in other._kept:
                self._keep(keys.to(device), labels.to(device))
            return
        if self._table is None:
            self._start_table(other.device)
        for keys, labels in other._kept:
            self._count_in_chunks(keys.to(self.device), labels.to(self.device))
        if other._table is not None:
            self._merge_tables(other)

    @property
    def device(self) -> torch.device:
        if self._table is not None:
            return self._table.device
        return self._kept[0][0].device if self._kept else torch.device('cpu')

    def _keep(self, keys: Tensor, labels: Tensor) -> None:
        if len(keys):
            self._kept.append((keys, labels))
            self.num_kept += len(keys)

    def _start_table(self, device: torch.device) -> None:
        shape = 2, self.max_cells + _PAGE_SIZE
        # numpy's zeros take no memory before they are written to.
        self._table = (torch.from_numpy(np.zeros(shape, np.int32)) if device.type == 'cpu'
                       else torch.zeros(shape, dtype=torch.int32, device=device))
        self._directory = torch.zeros(_NUM_PAGES, dtype=torch.int32, device=device)
        self._pages, self._shifts = self._pages.to(device), self._shifts.to(device)
        kept, self._kept, self.num_kept = self._kept, [], 0
        self._add_pages(self._used_pages(kept))  # at once: the layout is made a single time
        while kept:  # what is counted is not needed any longer
            keys, labels = kept.pop()
            self._count_in_chunks(keys.to(device), labels.to(device))

    def _used_pages(self, kept: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Pages that occur, ascending; empties the directory, and notes the bits that are used."""
        for keys, _ in kept:
            keys = keys.to(self._directory.device)
            self._note_used_bits(keys)
            self._directory.index_add_(0, _page_of(keys), self._directory.new_ones(1).expand(len(keys)))
        pages = self._directory.nonzero().squeeze(1)
        self._directory.fill_(_MISSING)
        return pages

    def _move(self, device: torch.device) -> None:
        for name in ('_table', '_directory', '_pages', '_shifts'):
            setattr(self, name, getattr(self, name).to(device))

    # ---- counting

    def _count_in_chunks(self, values: Tensor, labels: Tensor) -> None:
        """Count scores (float32) or keys (int32)."""
        for part, label in zip(_chunks(values), _chunks(labels), strict=True):
            self._count(to_keys(part) if part.is_floating_point() else part, label)

    def _count(self, keys: Tensor, labels: Tensor) -> None:
        self._make_room_for(len(keys))
        # Integers in place: comparisons and masks of booleans are several times slower on a CPU.
        labels = labels.to(torch.int32)
        valid = (labels - 2).bitwise_right_shift_(31)  # -1, all bits set, for 0 and 1; 0 for void
        if self._unused_bits:
            self._note_used_bits(keys & valid)
        page = _page_of(keys)
        entry = self._directory.index_select(0, page).bitwise_and_(valid)
        if int(entry.amin()) == _MISSING:
            self._add_pages(page[(entry >> 31).nonzero()].unique().long())
            entry = self._directory.index_select(0, page).bitwise_and_(valid)
        cell = (keys & (_PAGE_SIZE - 1)).bitwise_right_shift_(entry & ((1 << _SHIFT_BITS) - 1))
        cell += entry.bitwise_right_shift_(_SHIFT_BITS)
        cell.add_(labels.bitwise_and_(1), alpha=self._table.shape[1])
        flat = self._table.view(-1)
        flat.scatter_add_(0, cell.long(), flat.new_ones(len(cell)))

    def _make_room_for(self, number: int) -> None:
        """Wider integers before any count can overflow."""
        self._num_counted += number
        if self._num_counted > _LARGEST_INT32 and self._table.dtype == torch.int32:
            self._table = self._table.long()

    def _note_used_bits(self, keys: Tensor) -> None:
        if not self._unused_bits:
            return
        keys = keys | _PAGE_SIZE  # as if no score used more than the bits of a page
        lowest_bit = int((keys & -keys).amin())
        unused_bits = lowest_bit.bit_length() - 1
        if unused_bits < self._unused_bits:
            self._lay_out(self.level, unused_bits)

    # ---- the layout of the table

    def _add_pages(self, pages: Tensor) -> None:
        old = self._pages
        self._pages = torch.cat([old, pages])
        level = self._fitting_level(self.level, self._unused_bits)
        self._pages = old
        if level > self.level:
            self._lay_out(level, self._unused_bits)
        shifts = self._wanted_shifts(pages, level, self._unused_bits)
        sizes = _PAGE_SIZE >> shifts
        first = self._end() + sizes.cumsum(0) - sizes
        self._directory[pages] = ((first << _SHIFT_BITS) | shifts).to(torch.int32)
        self._pages, self._shifts = torch.cat([old, pages]), torch.cat([self._shifts, shifts])

    def _end(self) -> int:
        return _PAGE_SIZE + int((_PAGE_SIZE >> self._shifts).sum())

    def _wanted_shifts(self, pages: Tensor, level: int, unused_bits: int) -> Tensor:
        return _largest_shifts(pages).clamp_(max=level).clamp_(min=unused_bits)

    def _fitting_level(self, level: int, unused_bits: int) -> int:
        """The finest level from ``level`` on at which all pages fit."""
        while int((_PAGE_SIZE >> self._wanted_shifts(self._pages, level, unused_bits)).sum()) > self.max_cells:
            level += 1
        return level

    def _lay_out(self, level: int, unused_bits: int) -> None:
        """Give all pages the cells that a level and the unused bits call for, and move their counts there."""
        level = self._fitting_level(level, unused_bits)
        shifts = self._wanted_shifts(self._pages, level, unused_bits)
        source = self._table
        finer = bool((shifts < self._shifts).any())
        # Towards coarser cells no page moves up, so the table can be rewritten from the front.
        target = torch.zeros_like(source) if finer else source
        start = target_start = _PAGE_SIZE
        for part, old, new in _equal_runs(self._shifts, shifts):
            length = (part.stop - part.start) * (_PAGE_SIZE >> old)
            counts = _reshift(source[:, start:start + length], old, new).clone()
            target[:, target_start:target_start + counts.shape[1]] = counts
            start, target_start = start + length, target_start + counts.shape[1]
        if not finer:
            target[:, target_start:start] = 0
        self._table, self._shifts, self.level, self._unused_bits = target, shifts, level, unused_bits
        sizes = _PAGE_SIZE >> shifts
        first = _PAGE_SIZE + sizes.cumsum(0) - sizes
        self._directory[self._pages] = ((first << _SHIFT_BITS) | shifts).to(torch.int32)

    def _merge_tables(self, other: ScoreCounts) -> None:
        self._make_room_for(other._num_counted)
        self._lay_out(max(self.level, other.level), min(self._unused_bits, other._unused_bits))
        pages = other._pages.to(self.device)
        unknown = self._directory[pages] == _MISSING
        if bool(unknown.any()):
            self._add_pages(pages[unknown])
        entries = self._directory[pages]
        start = _PAGE_SIZE
        for part, old, new in _equal_runs(other._shifts.to(self.device), entries & ((1 << _SHIFT_BITS) - 1)):
            length = (part.stop - part.start) * (_PAGE_SIZE >> old)
            counts = _reshift(other._table[:, start:start + length].to(self.device), old, new)
            cells = (entries[part] >> _SHIFT_BITS)[:, None] + torch.arange(_PAGE_SIZE >> new, device=self.device)
            self._table[:, cells.flatten()] += counts.to(self._table.dtype)
            start += length

    # ---- reading

    def totals(self) -> tuple[int, int]:
        """Number of inliers and of outliers."""
        if self._table is None:
            outliers = sum(int(labels.sum()) for _, labels in self._kept)
            return self.num_kept - outliers, outliers
        # No wider integers are needed: the table's own hold the count of all scores.
        inliers, outliers = self._table[:, _PAGE_SIZE:self._end()].sum(1, dtype=self._table.dtype).tolist()
        return inliers, outliers

    def cells(self) -> Iterator[Cells]:
        """All cells from high to low scores, in stretches of bounded length, always the same ones."""
        if self._table is None:
            if self.num_kept:
                yield self._kept_cells()
            return
        pages, order = self._pages.sort(descending=True)
        shifts = self._shifts[order]
        first = self._directory[pages] >> _SHIFT_BITS
        lowest = (pages - _NUM_PAGES // 2 << _PAGE_BITS).to(torch.int32)
        for part, shift, _ in _equal_runs(shifts, shifts, _BLOCK):
            local = torch.arange((_PAGE_SIZE >> shift) - 1, -1, -1, dtype=torch.int32, device=pages.device)
            cells = (first[part, None] + local).flatten()
            counts = [row.index_select(0, cells) for row in self._table]
            keys = (lowest[part, None] + (local << shift)).flatten()
            exact = torch.full(keys.shape, shift <= self._unused_bits, device=keys.device)
            yield Cells(keys, *counts, exact)

    def _kept_cells(self) -> Cells:
        # Complements, because a CPU sorts up several times faster than down.
        keys, order = torch.cat([~keys for keys, _ in self._kept]).sort()
        outliers = torch.cat([labels for _, labels in self._kept]).index_select(0, order).cumsum(0)
        last = torch.ones_like(keys, dtype=torch.bool)
        torch.ne(keys[1:], keys[:-1], out=last[:-1])
        ends = last.nonzero().squeeze(1)
        outliers = torch.diff(outliers.index_select(0, ends), prepend=outliers.new_zeros(1))
        totals = torch.diff(ends, prepend=ends.new_full((1,), -1))
        return Cells(~keys.index_select(0, ends), totals - outliers, outliers, torch.ones_like(ends, dtype=torch.bool))

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """Everything, on the CPU; equal for equal sets of scores."""
        state: dict[str, Any] = {'max_cells': self.max_cells, 'max_kept': self.max_kept}
        if self._table is None:
            keys = torch.cat([torch.empty(0, dtype=torch.int32), *(keys.cpu() for keys, _ in self._kept)])
            labels = torch.cat([torch.empty(0, dtype=torch.uint8), *(labels.cpu() for _, labels in self._kept)])
            order = (keys.long() * 2 + labels).argsort()
            return {**state, 'keys': keys[order], 'labels': labels[order]}
        pages, order = self._pages.sort()
        first = self._directory[pages] >> _SHIFT_BITS
        shifts = self._shifts[order]
        counts = [self._table[:, (first[part, None] + torch.arange(_PAGE_SIZE >> shift, device=pages.device)).flatten()]
                  for part, shift, _ in _equal_runs(shifts, shifts, _BLOCK)]
        return {**state, 'level': self.level, 'unused_bits': self._unused_bits,
                'pages': pages.cpu(), 'shifts': shifts.cpu(), 'counts': torch.cat(counts, 1).cpu().long()}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> ScoreCounts:
        """The inverse of :meth:`state_dict`."""
        counts = cls(state['max_cells'], state['max_kept'])
        if 'keys' in state:
            counts._keep(state['keys'], state['labels'])
            return counts
        counts._start_table(torch.device('cpu'))
        counts.level, counts._unused_bits = state['level'], state['unused_bits']
        counts._make_room_for(int(state['counts'].sum()))
        counts._add_pages(state['pages'])
        counts._table[:, _PAGE_SIZE:_PAGE_SIZE + state['counts'].shape[1]] = state['counts']
        return counts


def _chunks(values: Tensor) -> tuple[Tensor, ...]:
    """Stretches that a CPU computes with within its cache; a GPU takes all at once."""
    return values.split(_CHUNK) if values.device.type == 'cpu' and len(values) else (values,) * bool(len(values))


def _without_void(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and labels of inliers and outliers, in memory of their own."""
    if int(labels.amax()) <= 1:
        return to_keys(scores), labels.clone()
    valid = (labels <= 1).nonzero().squeeze(1)
    return to_keys(scores.index_select(0, valid)), labels.index_select(0, valid)


def _reshift(counts: Tensor, old: int, new: int) -> Tensor:
    """Counts ``(2, cells)`` of whole pages at another cell width; narrower ones where nothing was left out."""
    if new >= old:
        return counts.reshape(2, -1, 1 << (new - old)).sum(-1, dtype=counts.dtype)
    wide = counts.new_zeros(2, counts.shape[1], 1 << (old - new))
    wide[..., 0] = counts
    return wide.reshape(2, -1)


def _equal_runs(old: Tensor, new: Tensor, max_cells: int = _CHUNK) -> Iterator[tuple[slice, int, int]]:
    """Stretches of pages that have one old and one new shift, of at most ``max_cells`` cells or one page."""
    if not len(old):
        return
    pairs = (old.long() << _SHIFT_BITS) | new
    values, lengths = (part.tolist() for part in torch.unique_consecutive(pairs, return_counts=True))
    start = 0
    for pair, length in zip(values, lengths, strict=True):
        old_shift, new_shift = pair >> _SHIFT_BITS, pair & ((1 << _SHIFT_BITS) - 1)
        step = max(max_cells >> (_PAGE_BITS - min(old_shift, new_shift)), 1)
        for first in range(start, start + length, step):
            yield slice(first, min(first + step, start + length)), old_shift, new_shift
        start += length

"""ScoreCounts: keys, the layout of its table, and that its state is a function of the set of scores."""
import numpy as np
import pytest
import torch

from mmseg_ood.core.score_counts import MIN_CELLS, ScoreCounts, to_keys, to_scores

EXTREMES = [-3.4e38, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1e-38, 0.1, 0.99999994, 1.0, 1.0000001, 3.4e38]


def counted(scores, labels, parts=1, max_kept=0, max_cells=MIN_CELLS):
    counts = ScoreCounts(max_cells, max_kept)
    for score, label in zip(np.array_split(scores, parts), np.array_split(labels, parts), strict=True):
        counts.add(torch.from_numpy(score), torch.from_numpy(label))
    return counts


def as_dict(counts):
    """Occupied cells: lowest score -> (inliers, outliers)."""
    found = {}
    for cells in counts.cells():
        occupied = (cells.inliers + cells.outliers) > 0
        for score, inliers, outliers in zip(to_scores(cells.keys[occupied]).tolist(), cells.inliers[occupied].tolist(),
                                            cells.outliers[occupied].tolist(), strict=True):
            found[score] = (inliers, outliers)
    return found


def expected_cells(scores, labels):
    inliers, outliers = (dict(zip(*(part.tolist() for part in np.unique(scores[labels == label], return_counts=True)),
                                  strict=True)) for label in (0, 1))
    return {score: (inliers.get(score, 0), outliers.get(score, 0)) for score in {**inliers, **outliers}}


def sample(num=50000, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.uint8([0, 0, 0, 1, 255]), num)
    return rng.normal(labels == 1, 1).astype(np.float32), labels


def same(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) if isinstance(value, torch.Tensor) else value == second[name]
        for name, value in first.items())


def test_keys_are_ordered_as_the_scores():
    scores = torch.tensor(EXTREMES)
    keys = to_keys(scores)
    assert (keys.diff() >= 0).all()
    assert (keys.diff() == 0).sum() == 1  # the two zeros
    assert torch.equal(to_scores(keys), scores + 0.0)


@pytest.mark.parametrize('max_kept', [0, 10**6])
def test_counts_by_hand(max_kept):
    scores = np.float32([0.5, -2, 0.5, 3, 7, -0.0, 0.0])
    labels = np.uint8([0, 1, 1, 0, 255, 0, 1])
    counts = counted(scores, labels, max_kept=max_kept)
    assert as_dict(counts) == {3.0: (1, 0), 0.5: (1, 1), 0.0: (1, 1), -2.0: (0, 1)}
    assert list(as_dict(counts)) == [3.0, 0.5, 0.0, -2.0]  # from high to low
    assert counts.totals() == (3, 3)


def test_a_cell_for_each_value_while_they_fit():
    scores = np.random.default_rng(0).normal(5, 0.01, 20000).astype(np.float32)
    counts = counted(scores, np.zeros(20000, np.uint8))
    assert counts.level == 0
    assert as_dict(counts) == expected_cells(scores, np.zeros(20000))


def test_wider_cells_hold_what_lies_in_them():
    scores, labels = sample()
    counts = counted(scores, labels)
    assert counts.level > 0
    found = as_dict(counts)
    lowest = np.array(sorted(found))
    for label, kind in ((0, 0), (1, 1)):
        expected = np.bincount(np.searchsorted(lowest, scores[labels == label].astype(float), side='right') - 1,
                               minlength=len(lowest))
        assert [found[score][kind] for score in lowest.tolist()] == expected.tolist()


def test_cells_stay_narrow_at_zero_and_one():
    """Where probabilities saturate, neighbouring values are told apart at any level."""
    scores, labels = sample(200000)
    one = np.float32(1)
    special = np.float32([0, 1e-45, one, np.nextafter(one, one * 2), np.nextafter(one, 0 * one), -one,
                          np.nextafter(-one, 0 * one)])
    counts = counted(np.concatenate([scores, special]), np.concatenate([labels, np.zeros(len(special), np.uint8)]))
    assert counts.level > 0
    found = as_dict(counts)
    assert all(value in found for value in special.tolist())


def test_low_bits_that_nobody_uses_cost_nothing():
    """Half-precision scores of any range have a cell each."""
    rng = np.random.default_rng(0)
    scores = (10 ** rng.uniform(-4, 4, 100000)).astype(np.float16).astype(np.float32)
    labels = rng.integers(2, size=100000).astype(np.uint8)
    counts = counted(scores, labels, parts=3)
    assert counts.level == 0
    assert as_dict(counts) == expected_cells(scores, labels)
    assert all(cells.exact.all() for cells in counts.cells())


def test_a_score_that_uses_more_bits_widens_nothing():
    rng = np.random.default_rng(0)
    scores = rng.uniform(1, 1.1, 5000).astype(np.float16).astype(np.float32)
    labels = rng.integers(2, size=5000).astype(np.uint8)
    counts = counted(scores, labels)
    counts.add(torch.tensor([1.05000005]), torch.tensor([0], dtype=torch.uint8))
    assert as_dict(counts) == {**expected_cells(scores, labels), np.float32(1.05000005).item(): (1, 0)}


@pytest.mark.parametrize('max_kept', [0, 20000, 10**6])
def test_order_split_and_merge_do_not_matter(max_kept):
    scores, labels = sample()
    whole = counted(scores, labels, max_kept=max_kept)
    order = np.random.default_rng(1).permutation(len(scores))
    shuffled = counted(scores[order], labels[order], parts=7, max_kept=max_kept)
    parts = [counted(scores[part], labels[part], parts=2, max_kept=max_kept)
             for part in (slice(0, 1000), slice(1000, 30000), slice(30000, None), slice(0, 0))]
    forward, backward = ScoreCounts(MIN_CELLS, max_kept), ScoreCounts(MIN_CELLS, max_kept)
    for part in parts:
        forward.merge(part)
    for part in parts[::-1]:
        backward.merge(part)
    for other in (shuffled, forward, backward):
        assert same(other.state_dict(), whole.state_dict())


def test_merging_different_resolutions():
    """One part alone would fit at full resolution, another alone has unused low bits."""
    rng = np.random.default_rng(0)
    wide = sample()[0]
    pieces = [rng.normal(5, 0.001, 3000).astype(np.float32), wide, wide.astype(np.float16).astype(np.float32)]
    labels = [np.zeros(len(piece), np.uint8) for piece in pieces]
    merged = ScoreCounts(MIN_CELLS, 0)
    levels = set()
    for piece, label in zip(pieces, labels, strict=True):
        part = counted(piece, label)
        levels.add(part.level)
        merged.merge(part)
    assert len(levels) > 1
    assert same(merged.state_dict(), counted(np.concatenate(pieces), np.concatenate(labels)).state_dict())


@pytest.mark.parametrize('max_kept', [0, 10**6])
def test_state_dict_round_trip(max_kept):
    scores, labels = sample()
    counts = counted(scores, labels, max_kept=max_kept)
    copied = ScoreCounts.from_state_dict(counts.state_dict())
    assert same(copied.state_dict(), counts.state_dict())
    for part in (counts, copied):
        part.add(torch.from_numpy(scores), torch.from_numpy(labels))
    assert same(copied.state_dict(), counts.state_dict())


def test_counts_beyond_32_bits():
    counts = counted(np.float32([1, 2]), np.uint8([0, 1]))
    for _ in range(33):  # doubling
        counts.merge(ScoreCounts.from_state_dict(counts.state_dict()))
    assert as_dict(counts) == {2.0: (0, 2**33), 1.0: (2**33, 0)}
    assert counts.totals() == (2**33, 2**33)


def test_the_table_stays_within_its_size():
    scores = np.float32(10) ** np.random.default_rng(0).uniform(-38, 38, 500000).astype(np.float32)
    signs = np.random.default_rng(1).choice(np.float32([-1, 1]), 500000)
    counts = counted(scores * signs, np.zeros(500000, np.uint8), parts=5)
    assert sum(len(cells.keys) for cells in counts.cells()) <= MIN_CELLS
    assert counts.totals() == (500000, 0)


def test_not_a_number_on_void_pixels():
    counts = counted(np.float32([np.nan, -np.nan, np.inf, 1]), np.uint8([255, 2, 254, 0]))
    assert as_dict(counts) == {1.0: (1, 0)}


def test_too_small_a_table():
    with pytest.raises(ValueError, match=f'max_bins must be at least {MIN_CELLS}, found 4096'):
        ScoreCounts(4096, 0)

import copy
import pickle
from itertools import islice

import pytest
from mmengine.dataset import InfiniteSampler

from mmseg_ood.segmentation.transforms.visits import NumberedIndex, PassSampler, VisitCounter


def test_samples_are_counted_apart():
    visits = VisitCounter()
    assert [visits.next(sample) for sample in (0, 5, 0, 0, 5)] == [0, 0, 1, 2, 1]


def test_samples_above_the_slots_share_a_count():
    visits = VisitCounter(slots=4)
    assert [visits.next(1), visits.next(5), visits.next(2)] == [0, 1, 0]


def test_copies_continue_on_their_own():
    visits = VisitCounter()
    visits.next(3)
    for duplicate in (copy.deepcopy(visits), pickle.loads(pickle.dumps(visits))):
        assert duplicate._counts.is_shared()
        assert duplicate.next(3) == 1
        assert duplicate.next(3) == 2
    assert visits.next(3) == 1


def test_numbered_indices_bring_their_own_count():
    visits = VisitCounter()
    index = pickle.loads(pickle.dumps(NumberedIndex(3, visit=5)))
    assert (index, index.visit) == (3, 5)
    assert visits.next(index) == 5
    assert visits.next(3) == 0


@pytest.mark.parametrize('ranks', [1, 2, 3])
def test_passes_are_numbered_across_ranks(monkeypatch, ranks):
    drawn = []
    for rank in range(ranks):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, ranks))
        stock = islice(InfiniteSampler(range(5), seed=0), 30 // ranks)
        numbered = list(islice(PassSampler(range(5), seed=0), 30 // ranks))
        assert numbered == list(stock)
        drawn += [(index, index.visit) for index in numbered]
    assert sorted(drawn) == [(index, visit) for index in range(5) for visit in range(6)]

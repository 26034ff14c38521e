"""InlierIoUMetric is mmseg's IoUMetric on labels whose outliers are void."""
import pytest
import torch
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from mmseg_ood.segmentation.evaluation import InlierIoUMetric

CLASSES = ('road', 'car', 'sky')


def samples(values):
    generator = torch.Generator().manual_seed(0)
    for index in range(3):
        labels = torch.tensor(values)[torch.randint(len(values), (1, 8, 10), generator=generator)]
        predictions = torch.randint(3, (1, 8, 10), generator=generator)
        yield dict(img_path=f'{index}.png', gt_sem_seg=dict(data=labels), pred_sem_seg=dict(data=predictions))


def run(metric, data):
    metric.dataset_meta = dict(classes=CLASSES)
    for sample in data:
        metric.process({}, [sample])
    return metric.evaluate(3)


def outliers_void(data, void=255):
    for sample in data:
        labels = sample['gt_sem_seg']['data']
        yield {**sample, 'gt_sem_seg': dict(data=torch.where(labels == 254, void, labels))}


def test_without_outliers_it_is_the_stock_metric():
    metric = METRICS.build(dict(type='InlierIoUMetric', iou_metrics=['mIoU', 'mFscore']))
    expected = run(IoUMetric(iou_metrics=['mIoU', 'mFscore']), samples([0, 1, 2, 255]))
    assert run(metric, samples([0, 1, 2, 255])) == expected


@pytest.mark.parametrize('void', [255, 77])
def test_outliers_are_void(void):
    values = [0, 1, 2, 254, void]
    expected = run(IoUMetric(ignore_index=void), outliers_void(samples(values), void))
    assert run(InlierIoUMetric(ignore_index=void), samples(values)) == expected
    assert run(IoUMetric(ignore_index=void), samples(values)) != expected


def test_samples_are_not_modified():
    data = list(samples([0, 254]))
    before = [sample['gt_sem_seg']['data'].clone() for sample in data]
    run(InlierIoUMetric(), data)
    assert all(torch.equal(sample['gt_sem_seg']['data'], labels) for sample, labels in zip(data, before, strict=True))


def test_a_test_set_without_ground_truth_can_be_formatted(tmp_path):
    metric = InlierIoUMetric(format_only=True, output_dir=str(tmp_path))
    metric.dataset_meta = dict(classes=CLASSES)
    for sample in samples([0]):
        del sample['gt_sem_seg']
        metric.process({}, [sample])
    assert len(list(tmp_path.iterdir())) == 3

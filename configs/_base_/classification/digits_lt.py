# scikit-learn's digits: 0 to 5 are inliers, ten times as many zeros as fives; 6 and 7 are auxiliary outliers, 8 and 9
# are what has never been seen.
_base_ = './loaders.py'
num_classes = 5
class_counts = [int(80 * 0.1**(k / 4)) for k in range(num_classes)]
inliers = dict(
    type='LongTailDataset',
    dataset=dict(type='DigitsDataset', classes=(0, 1, 2, 3, 4), split='train'),
    num_max=80,
    ratio=0.1,
)
outliers = dict(type='DigitsDataset', classes=(5, 6, 7), split='train', outlier=True)
train_dataloader = dict(
    batch_size=32,
    batch_sampler=dict(outliers_per_batch=64),
    dataset=dict(inliers=inliers, outliers=outliers),
)
val_dataloader = dict(
    dataset=dict(
        inliers=dict(type='DigitsDataset', classes=(0, 1, 2, 3, 4), split='test'),
        ood=dict(
            eights=dict(type='DigitsDataset', classes=(8, ), split='test', outlier=True),
            nines=dict(type='DigitsDataset', classes=(9, ), split='test', outlier=True),
        ),
    ))
val_evaluator = dict(class_counts=class_counts)
test_dataloader = val_dataloader
test_evaluator = val_evaluator
model = dict(
    num_classes=num_classes,
    # A mirrored digit is none, so nothing is flipped.
    data_preprocessor=dict(mean=(0.3, 0.3, 0.3), std=(0.38, 0.38, 0.38), pad=1, flip_prob=0.0),
)

# What every data set shares: 128 inliers and 256 outliers a batch; tests of one inlier set against several OOD sets.
train_dataloader = dict(
    batch_size=128,  # inliers
    num_workers=0,  # images lie in memory and are augmented on the device
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='InlierOutlierBatchSampler', outliers_per_batch=256),
    collate_fn=dict(type='take_batch'),
    dataset=dict(type='InlierOutlierDataset'),
)
val_dataloader = dict(
    batch_size=500,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='take_batch'),
    dataset=dict(type='TestSetsDataset'),
)
val_evaluator = dict(type='OODMetric', scores=('energy', 'msp'))
test_dataloader = val_dataloader
test_evaluator = val_evaluator
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(type='ClassificationDataPreprocessor', pad=4, flip_prob=0.5),
)

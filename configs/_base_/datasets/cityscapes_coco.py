# Cityscapes and COCO as in the paper: every frame as it is, and 10 % more with one composite, pasted unscaled.
data_root = 'data/cityscapes'

outliers = dict(
    type='CocoOutliers',
    ann_file='data/coco/annotations/instances_train2017.json',
    img_dir='data/coco/train2017',
    mode='composite',
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PasteOutliers', source=outliers, num_classes=19),
    dict(
        type='RandomChoiceResize',
        scales=[(1024, 512), (1536, 768), (2048, 1024), (3072, 1536), (3584, 1792), (4096, 2048)],
        keep_ratio=True,
    ),
    dict(type='RandomCrop', crop_size=(900, 900)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ExtraOutlierFrames',
        share=0.1,
        dataset=dict(type='CheckedCityscapesDataset', data_root=data_root, split='train', pipeline=train_pipeline),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CheckedCityscapesDataset', data_root=data_root, split='val', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

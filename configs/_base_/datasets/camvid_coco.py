# CamVid (SegNet split, 480x360) with COCO composites pasted into the training images.
data_root = 'data/camvid'
num_classes = 11

outliers = dict(
    type='CocoOutliers',
    ann_file='data/coco/annotations/instances_train2017.json',
    img_dir='data/coco/train2017',
    mode='composite',
    min_size=0,  # composites are scaled down to CamVid's frames, so small images serve as well
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    # COCO images are as large as a CamVid frame; unscaled, a composite could cover the scene.
    dict(
        type='PasteOutliers',
        source=outliers,
        prob=0.8,
        num_objects=(1, 2),
        scale_range=(0.1, 0.7),
        num_classes=num_classes,
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
# Benchmark frames at the height that the network was trained on; maps are scored at full resolution.
benchmark_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(720, 360), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='PassSampler', shuffle=True),
    dataset=dict(type='CamVidDataset', data_root=data_root, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CamVidDataset', data_root=data_root, split='val', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

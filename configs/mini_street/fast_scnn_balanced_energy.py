# Step 2 of `make demo`: fine-tune the network of step 1 with balanced energy on pasted outliers.
_base_ = ['./fast_scnn.py']

outliers = dict(
    type='CocoOutliers',
    ann_file='data/mini_street/outliers/annotations/instances_train.json',
    img_dir='data/mini_street/outliers/train',
    exclude_categories=(),
    min_size=0,
    mode='object',
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        type='PasteOutliers',
        source=outliers,
        prob=0.9,
        num_objects=(1, 3),
        scale_range=(0.1, 0.8),
        feather=1,
        num_classes=19,
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
model = dict(
    decode_head=dict(loss_decode=[
        dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
        dict(
            type='BalancedEnergyLoss',
            prior='work_dirs/demo/prior.json',
            m_in=-6.3,
            m_out=-2.7,
            alpha=1.7,
            gamma_margin=3.0,
            gamma_weight=3.0,
            loss_weight=0.3,
        ),
    ]))
load_from = 'work_dirs/demo/before/iter_220.pth'
optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=1e-6, begin=0, end=240, by_epoch=False)]
train_cfg = dict(max_iters=240, val_interval=240)

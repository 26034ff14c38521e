# Step 1 of `make demo`: an ordinary segmentation network, cross-entropy only.
_base_ = [
    '../_base_/models/fast_scnn.py',
    '../_base_/datasets/mini_street.py',
    '../_base_/default_runtime.py',
]
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=3e-3, weight_decay=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=20, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=20, end=220, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=220, val_interval=220)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# ResNet-20 on long-tailed digits, cross-entropy from scratch.
_base_ = [
    '../_base_/classification/digits_lt.py',
    '../_base_/classification/pretraining.py',
    '../_base_/classification/runtime.py',
]
train_dataloader = dict(batch_sampler=dict(outliers_per_batch=0))
model = dict(backbone=dict(type='CIFARResNet', depth=20), losses=[dict(type='InlierCrossEntropyLoss')])
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=40, eta_min=1e-6, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=40, val_interval=40)

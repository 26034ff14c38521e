# WRN-40-2 on CIFAR-100, cross-entropy from scratch.
_base_ = [
    '../_base_/classification/cifar100.py',
    '../_base_/classification/pretraining.py',
    '../_base_/classification/runtime.py',
]
train_dataloader = dict(
    _delete_=True,
    batch_size=128,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='take_batch'),
    dataset={{_base_.inliers}},
)
model = dict(
    backbone=dict(type='WideResNet', depth=40, widen_factor=2, dropout=0.3),
    losses=[dict(type='InlierCrossEntropyLoss')],
)

# ResNet-20 on long-tailed digits: the fine-tuning without outliers, the control.
_base_ = [
    '../_base_/classification/digits_lt.py',
    '../_base_/classification/finetuning.py',
    '../_base_/classification/runtime.py',
]
train_dataloader = dict(batch_sampler=dict(outliers_per_batch=0))
model = dict(
    pretrained='work_dirs/demo_classification/before/epoch_40.pth',
    backbone=dict(type='CIFARResNet', depth=20),
    losses=[dict(type='InlierCrossEntropyLoss')],
)
optim_wrapper = dict(optimizer=dict(lr=0.01))  # seven iterations an epoch

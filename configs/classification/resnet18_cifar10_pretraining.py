# ResNet-18 on CIFAR-10, cross-entropy from scratch.
_base_ = [
    '../_base_/classification/cifar10.py',
    '../_base_/classification/pretraining.py',
    '../_base_/classification/runtime.py',
]
train_dataloader = dict(batch_sampler=dict(outliers_per_batch=0))
model = dict(backbone=dict(type='CIFARResNet', depth=18), losses=[dict(type='InlierCrossEntropyLoss')])

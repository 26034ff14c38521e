# ResNet-18 on CIFAR-10-LT: energy, the paper's settings.
_base_ = [
    '../_base_/classification/cifar10_lt.py',
    '../_base_/classification/finetuning.py',
    '../_base_/classification/runtime.py',
]
model = dict(
    pretrained='work_dirs/resnet18_cifar10_lt_pretraining/epoch_200.pth',
    backbone=dict(type='CIFARResNet', depth=18),
    losses=[
        dict(type='InlierCrossEntropyLoss'),
        dict(type='EnergyLoss', m_in=-23.0, m_out=-5.0, loss_weight=0.1),
    ],
)

# ResNet-18 on CIFAR-100: energy, the paper's settings.
_base_ = [
    '../_base_/classification/cifar100.py',
    '../_base_/classification/finetuning.py',
    '../_base_/classification/runtime.py',
]
model = dict(
    pretrained='work_dirs/resnet18_cifar100_pretraining/epoch_200.pth',
    backbone=dict(type='CIFARResNet', depth=18),
    losses=[
        dict(type='InlierCrossEntropyLoss'),
        dict(type='EnergyLoss', m_in=-27.0, m_out=-5.0, loss_weight=0.1),
    ],
)

# WRN-40-2 on CIFAR-10: energy, the paper's settings.
_base_ = [
    '../_base_/classification/cifar10.py',
    '../_base_/classification/finetuning.py',
    '../_base_/classification/runtime.py',
]
model = dict(
    pretrained='work_dirs/wrn_40_2_cifar10_pretraining/epoch_200.pth',
    backbone=dict(type='WideResNet', depth=40, widen_factor=2, dropout=0.3),
    losses=[
        dict(type='InlierCrossEntropyLoss'),
        dict(type='EnergyLoss', m_in=-23.0, m_out=-5.0, loss_weight=0.1),
    ],
)

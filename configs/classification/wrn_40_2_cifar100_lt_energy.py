# WRN-40-2 on CIFAR-100-LT: energy, the paper's settings.
_base_ = './resnet18_cifar100_lt_energy.py'
model = dict(
    pretrained='work_dirs/wrn_40_2_cifar100_lt_pretraining/epoch_200.pth',
    backbone=dict(_delete_=True, type='WideResNet', depth=40, widen_factor=2, dropout=0.3),
)

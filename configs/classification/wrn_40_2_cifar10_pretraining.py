# WRN-40-2 on CIFAR-10, cross-entropy from scratch.
_base_ = './resnet18_cifar10_pretraining.py'
model = dict(backbone=dict(_delete_=True, type='WideResNet', depth=40, widen_factor=2, dropout=0.3))

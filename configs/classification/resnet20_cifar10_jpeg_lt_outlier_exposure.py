# ResNet-20 on long-tailed CIFAR-10 (JPEG copy): outlier exposure.
_base_ = ['./resnet20_cifar10_jpeg_lt_energy.py']
model = dict(losses=[
    dict(type='InlierCrossEntropyLoss'),
    dict(type='OutlierExposureLoss', loss_weight=0.5),
])

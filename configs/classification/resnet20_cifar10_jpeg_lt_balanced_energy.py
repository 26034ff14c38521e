# ResNet-20 on long-tailed CIFAR-10 (JPEG copy): balanced energy.
_base_ = ['./resnet20_cifar10_jpeg_lt_energy.py']
model = dict(losses=[
    dict(type='InlierCrossEntropyLoss'),
    dict(
        type='BalancedEnergyLoss',
        prior='work_dirs/cifar10_jpeg_lt/prior_0.json',
        m_in=-10.5,
        m_out=-3.6,
        alpha=6.9,
        gamma_margin=0.75,
        gamma_weight=0.75,
        loss_weight=0.1,
    ),
])

# ResNet-18 on CIFAR-10: balanced energy, the paper's settings.
_base_ = './resnet18_cifar10_energy.py'
model = dict(losses=[
    dict(type='InlierCrossEntropyLoss'),
    dict(
        type='BalancedEnergyLoss',
        prior='cifar10-300k',
        m_in=-23.0,
        m_out=-5.0,
        alpha=10.0,
        gamma_margin=0.05,
        gamma_weight=0.05,
        loss_weight=0.1,
    ),
])

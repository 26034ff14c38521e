# WRN-40-2 on CIFAR-10-LT: balanced energy, the paper's settings.
_base_ = './wrn_40_2_cifar10_lt_energy.py'
model = dict(losses=[
    dict(type='InlierCrossEntropyLoss'),
    dict(
        type='BalancedEnergyLoss',
        prior='cifar10-lt-300k',
        m_in=-23.0,
        m_out=-5.0,
        alpha=10.0,
        gamma_margin=0.5,
        gamma_weight=0.5,
        loss_weight=0.1,
    ),
])

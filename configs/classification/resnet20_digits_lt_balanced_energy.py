# ResNet-20 on long-tailed digits: balanced energy.
_base_ = ['./resnet20_digits_lt_energy.py']
model = dict(losses=[
    dict(type='InlierCrossEntropyLoss'),
    dict(
        type='BalancedEnergyLoss',
        prior='work_dirs/demo_classification/prior.json',
        m_in=-8.0,
        m_out=-3.3,
        alpha=4.6,
        gamma_margin=0.75,
        gamma_weight=0.75,
        loss_weight=0.1,
    ),
])

# ResNet-18 on CIFAR-100-LT: balanced energy, the paper's settings.
_base_ = './resnet18_cifar100_lt_energy.py'
# No prior is published for CIFAR-100-LT: tools/estimate_prior.py measures it with the pretrained weights.
model = dict(losses=[
    dict(type='InlierCrossEntropyLoss'),
    dict(
        type='BalancedEnergyLoss',
        prior='work_dirs/resnet18_cifar100_lt_pretraining/prior.json',
        m_in=-27.0,
        m_out=-5.0,
        alpha=100.0,
        gamma_margin=0.75,
        gamma_weight=0.75,
        loss_weight=0.1,
    ),
])

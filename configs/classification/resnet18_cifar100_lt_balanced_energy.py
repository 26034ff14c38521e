# ResNet-18 on CIFAR-100-LT: balanced energy, the paper's settings.
_base_ = ['./resnet18_cifar100_lt_energy.py']
# tools/estimate_prior.py of this config with the weights in load_from; none is published for CIFAR-100-LT.
prior = 'work_dirs/resnet18_cifar100_lt_pretraining/prior.json'
model = dict(losses=[
    dict(type='InlierCrossEntropyLoss'),
    dict(
        type='BalancedEnergyLoss',
        prior=prior,
        m_in=-27.0,
        m_out=-5.0,
        alpha=100.0,
        gamma_margin=0.75,
        gamma_weight=0.75,
        loss_weight=0.1,
    ),
])

# ResNet-18 on CIFAR-100: balanced energy, the paper's settings.
_base_ = './resnet18_cifar100_energy.py'
# No prior is published for CIFAR-100: tools/estimate_prior.py measures it with the pretrained weights.
model = dict(losses=[
    dict(type='InlierCrossEntropyLoss'),
    dict(
        type='BalancedEnergyLoss',
        prior='work_dirs/resnet18_cifar100_pretraining/prior.json',
        m_in=-27.0,
        m_out=-5.0,
        alpha=100.0,
        gamma_margin=0.005,
        gamma_weight=0.005,
        loss_weight=0.1,
    ),
])

# ResNet-20 on long-tailed CIFAR-10 (JPEG copy): energy.
_base_ = ['./resnet20_cifar10_jpeg_lt_cross_entropy.py']
train_dataloader = dict(batch_sampler=dict(outliers_per_batch=256))
model = dict(losses=[
    dict(type='InlierCrossEntropyLoss'),
    dict(type='EnergyLoss', m_in=-10.5, m_out=-3.6, loss_weight=0.1),
])

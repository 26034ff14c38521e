# ResNet-20 on long-tailed digits: energy.
# Only the frequent classes reach the energy that a quarter of all inliers has (-19), so m_in is higher than the rule of
# tools/estimate_prior.py proposes: it would cost the rare classes their accuracy.
_base_ = ['./resnet20_digits_lt_cross_entropy.py']
train_dataloader = dict(batch_sampler=dict(outliers_per_batch=64))
model = dict(losses=[
    dict(type='InlierCrossEntropyLoss'),
    dict(type='EnergyLoss', m_in=-8.0, m_out=-3.3, loss_weight=0.1),
])

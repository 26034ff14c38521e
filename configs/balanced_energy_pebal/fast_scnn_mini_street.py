# The demo with PEBAL and balanced energy.
_base_ = ['../pebal/fast_scnn_mini_street.py']
model = dict(
    decode_head=dict(
        loss_decode=[
            dict(type='AbstentionLoss'),
            dict(
                type='BalancedEnergyLoss',
                num_classes=19,
                prior='work_dirs/demo/prior.json',
                m_in=-6.3,
                m_out=-2.7,
                alpha=1.7,
                gamma_margin=3.0,
                gamma_weight=3.0,
                smoothness_weight=3e-6,
                sparsity_weight=5e-4,
                loss_weight=0.3,
            ),
        ]))

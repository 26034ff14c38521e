# PEBAL and balanced energy on CamVid.
_base_ = ['../pebal/cgnet_camvid_coco.py']
model = dict(
    decode_head=dict(
        loss_decode=[
            dict(type='AbstentionLoss'),
            dict(
                type='BalancedEnergyLoss',
                num_classes=11,
                prior='configs/balanced_energy/priors/cgnet_camvid_coco.json',
                m_in=-8.7,
                m_out=-3.6,
                alpha=3.0,
                gamma_margin=3.0,
                gamma_weight=3.0,
                smoothness_weight=3e-6,
                sparsity_weight=5e-4,
                loss_weight=0.1,
            ),
        ]))

# Balanced energy regularisation; how margins, alpha and prior were found: README.md in this folder.
_base_ = ['../cross_entropy/cgnet_camvid_coco.py']
model = dict(
    decode_head=dict(loss_decode=[
        dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
        dict(
            type='BalancedEnergyLoss',
            prior='configs/balanced_energy/priors/cgnet_camvid_coco.json',
            m_in=-8.7,
            m_out=-3.6,
            alpha=3.0,
            gamma_margin=3.0,
            gamma_weight=3.0,
            loss_weight=0.1,
        ),
    ]))

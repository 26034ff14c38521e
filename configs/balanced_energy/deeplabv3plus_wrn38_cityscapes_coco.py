# The paper's network with balanced energy beside cross-entropy.
_base_ = ['../energy/deeplabv3plus_wrn38_cityscapes_coco.py']
model = dict(
    decode_head=dict(
        loss_decode=[
            dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
            dict(type='BalancedEnergyLoss', prior='cityscapes-coco', m_in=-12.0, m_out=-6.0, alpha=5.0),
        ]))

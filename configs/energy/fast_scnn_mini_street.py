# The demo with plain energy in place of balanced energy.
_base_ = ['../mini_street/fast_scnn_balanced_energy.py']
model = dict(
    decode_head=dict(
        loss_decode=[
            dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
            dict(type='EnergyLoss', m_in=-6.3, m_out=-2.7, loss_weight=0.3),
        ]))

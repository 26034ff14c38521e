# Energy regularisation; the margins are quantiles of this network's energies, see configs/balanced_energy/README.md.
_base_ = ['../cross_entropy/cgnet_camvid_coco.py']
model = dict(
    decode_head=dict(loss_decode=[
        dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
        dict(type='EnergyLoss', m_in=-8.7, m_out=-3.6, loss_weight=0.1),
    ]))

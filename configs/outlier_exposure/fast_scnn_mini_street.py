# The demo with outlier exposure.
_base_ = ['../mini_street/fast_scnn_balanced_energy.py']
model = dict(
    decode_head=dict(
        loss_decode=[
            dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
            dict(type='OutlierExposureLoss'),
        ]))

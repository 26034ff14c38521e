# Outlier exposure on CamVid.
_base_ = ['../cross_entropy/cgnet_camvid_coco.py']
model = dict(
    decode_head=dict(
        loss_decode=[
            dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
            dict(type='OutlierExposureLoss'),
        ]))

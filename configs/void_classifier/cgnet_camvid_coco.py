# Outliers as a class of their own on CamVid; the score is `void`.
_base_ = ['../cross_entropy/cgnet_camvid_coco.py']
# tools/convert_checkpoint.py data/weights/cgnet_camvid11.pth ... --source mmseg --extend-classes 12
load_from = 'work_dirs/cgnet/cgnet_camvid_12_classes.pth'
model = dict(
    type='AnomalyEncoderDecoder',
    num_inlier_classes=11,
    score='void',
    decode_head=dict(
        num_classes=12,
        loss_decode=[
            dict(
                type='VoidClassifierLoss',
                num_classes=11,
                loss=dict(type='CrossEntropyLoss', avg_non_ignore=True),
            ),
        ]))

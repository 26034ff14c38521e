# The demo with outliers as a class of their own; its score is `void`.
_base_ = ['../mini_street/fast_scnn_balanced_energy.py']
# tools/convert_checkpoint.py work_dirs/demo/before/iter_220.pth ... --source mmseg --extend-classes 20
load_from = 'work_dirs/demo/before/iter_220_20_classes.pth'
model = dict(
    type='AnomalyEncoderDecoder',
    num_inlier_classes=19,
    score='void',
    decode_head=dict(
        num_classes=20,
        loss_decode=[
            dict(
                type='VoidClassifierLoss',
                num_classes=19,
                loss=dict(type='CrossEntropyLoss', avg_non_ignore=True),
            ),
        ]))

# PEBAL on CamVid; margins as for energy.
_base_ = ['../cross_entropy/cgnet_camvid_coco.py']
# tools/convert_checkpoint.py data/weights/cgnet_camvid11.pth ... --source mmseg --extend-classes 12
load_from = 'work_dirs/cgnet/cgnet_camvid_12_classes.pth'
model = dict(
    type='AnomalyEncoderDecoder',
    num_inlier_classes=11,
    score=dict(type='energy', smoothing=True),
    decode_head=dict(
        num_classes=12,
        loss_decode=[
            dict(type='AbstentionLoss'),
            dict(
                type='EnergyLoss',
                num_classes=11,
                m_in=-8.7,
                m_out=-3.6,
                smoothness_weight=3e-6,
                sparsity_weight=5e-4,
                loss_weight=0.1,
            ),
        ]))

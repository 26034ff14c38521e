# The demo with PEBAL.
_base_ = ['../mini_street/fast_scnn_balanced_energy.py']
# tools/convert_checkpoint.py work_dirs/demo/before/iter_220.pth ... --source mmseg --extend-classes 20
load_from = 'work_dirs/demo/before/iter_220_20_classes.pth'
model = dict(
    type='AnomalyEncoderDecoder',
    num_inlier_classes=19,
    score=dict(type='energy', smoothing=True),
    decode_head=dict(
        num_classes=20,
        loss_decode=[
            dict(type='AbstentionLoss'),
            dict(
                type='EnergyLoss',
                num_classes=19,
                m_in=-6.3,
                m_out=-2.7,
                smoothness_weight=3e-6,
                sparsity_weight=5e-4,
                loss_weight=0.3,
            ),
        ]))

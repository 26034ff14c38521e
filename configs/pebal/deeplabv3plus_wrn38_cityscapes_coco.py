# PEBAL: abstention and plain energy. load_from: tools/convert_checkpoint.py --source nvidia --extend-classes 20
_base_ = [
    '../_base_/models/deeplabv3plus_wrn38.py',
    '../_base_/datasets/cityscapes_coco.py',
    '../_base_/schedules/paper_20_epochs.py',
]
model = dict(
    type='AnomalyEncoderDecoder',
    num_inlier_classes=19,
    score=dict(type='energy', smoothing=True),
    decode_head=dict(
        out_channels=20,
        loss_decode=[
            dict(type='AbstentionLoss'),
            dict(
                type='EnergyLoss',
                num_classes=19,
                m_in=-12.0,
                m_out=-6.0,
                smoothness_weight=3e-6,
                sparsity_weight=5e-4,
                loss_weight=0.1,
            ),
        ]))
custom_hooks = [
    # The classifier block alone; everything before it, its norms included, stays as it was loaded.
    dict(type='TrainOnlyHook', patterns=['decode_head.final.*', 'decode_head.conv_seg.*']),
    dict(type='BenchmarkHook', benchmarks=['fishyscapes-lost-and-found', 'road-anomaly'], num_classes=19),
]
load_from = 'data/weights/wrn38_cityscapes_20.pth'

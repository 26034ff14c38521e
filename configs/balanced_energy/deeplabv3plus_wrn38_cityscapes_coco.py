# The paper's network with balanced energy beside cross-entropy. load_from: tools/convert_checkpoint.py --source nvidia
_base_ = [
    '../_base_/models/deeplabv3plus_wrn38.py',
    '../_base_/datasets/cityscapes_coco.py',
    '../_base_/schedules/paper_20_epochs.py',
]
model = dict(
    decode_head=dict(
        out_channels=19,
        loss_decode=[
            dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
            dict(type='BalancedEnergyLoss', prior='cityscapes-coco', m_in=-12.0, m_out=-6.0, alpha=5.0),
        ]))
custom_hooks = [
    # The classifier block alone; everything before it, its norms included, stays as it was loaded.
    dict(type='TrainOnlyHook', patterns=['decode_head.final.*', 'decode_head.conv_seg.*']),
    dict(type='BenchmarkHook', benchmarks=['fishyscapes-lost-and-found', 'road-anomaly'], num_classes=19),
]
load_from = 'data/weights/wrn38_cityscapes.pth'

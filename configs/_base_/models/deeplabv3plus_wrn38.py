# DeepLabV3+ on WideResNet38 for Cityscapes: 19 classes and one further output, which stands for abstention.
norm_cfg = dict(type='BN', requires_grad=True)
num_inlier_classes = 19
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(900, 900),
    ),
    backbone=dict(type='WideResNet38', norm_cfg=norm_cfg),
    decode_head=dict(
        type='DeepLabV3PlusWideHead',
        in_channels=(128, 4096),
        channels=256,
        num_classes=num_inlier_classes,
        out_channels=20,
        norm_cfg=norm_cfg,
        loss_decode=dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

# BiSeNetV2 for Cityscapes; parameters are named as in MMSegmentation's checkpoints.
norm_cfg = dict(type='SyncBN', requires_grad=True)
auxiliary_loss = dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True))
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
    backbone=dict(type='BiSeNetV2', norm_cfg=norm_cfg, align_corners=False),
    decode_head=dict(
        type='FCNHead',
        in_channels=128,
        in_index=0,
        channels=1024,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=19,
        norm_cfg=norm_cfg,
        align_corners=False,
    ),
    auxiliary_head=[
        dict(
            type='FCNHead',
            in_channels=channels,
            in_index=index,
            channels=hidden,
            num_convs=2,
            concat_input=False,
            num_classes=19,
            norm_cfg=norm_cfg,
            align_corners=False,
            loss_decode=auxiliary_loss,
        ) for index, (channels, hidden) in enumerate(((16, 16), (32, 64), (64, 256), (128, 1024)), start=1)
    ],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

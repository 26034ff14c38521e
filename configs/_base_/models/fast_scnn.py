# FastSCNN for 19 classes; the loss knows one void label, so pasted pixels become void for it.
norm_cfg = dict(type='BN', requires_grad=True)
inlier_loss = dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True))
auxiliary_loss = dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.4))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(256, 512),
    ),
    backbone=dict(
        type='FastSCNN',
        downsample_dw_channels=(32, 48),
        global_in_channels=64,
        global_block_channels=(64, 96, 128),
        global_block_strides=(2, 2, 1),
        global_out_channels=128,
        higher_in_channels=64,
        lower_in_channels=128,
        fusion_out_channels=128,
        out_indices=(0, 1, 2),
        norm_cfg=norm_cfg,
        align_corners=False,
    ),
    decode_head=dict(
        type='DepthwiseSeparableFCNHead',
        in_channels=128,
        channels=128,
        concat_input=False,
        num_classes=19,
        in_index=-1,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=inlier_loss,
    ),
    auxiliary_head=[
        dict(
            type='FCNHead',
            in_channels=in_channels,
            channels=32,
            num_convs=1,
            num_classes=19,
            in_index=in_index,
            norm_cfg=norm_cfg,
            concat_input=False,
            align_corners=False,
            loss_decode=auxiliary_loss,
        ) for in_channels, in_index in ((128, -2), (64, -3))
    ],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

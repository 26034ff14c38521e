# CGNet (M3 N21) for 11 classes, input RGB minus the mean of CamVid.
norm_cfg = dict(type='BN', eps=1e-3, requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[105.65845, 103.33058, 99.62547],
        std=[1, 1, 1],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(360, 480),
    ),
    backbone=dict(
        type='CGNet',
        norm_cfg=norm_cfg,
        in_channels=3,
        num_channels=(32, 64, 128),
        num_blocks=(3, 21),
        dilations=(2, 4),
        reductions=(8, 16),
        norm_eval=True,  # statistics of two frames would be worse than those of the pretraining
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=256,
        in_index=2,
        channels=256,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
        num_classes=11,
        norm_cfg=norm_cfg,
        loss_decode=dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
load_from = 'data/weights/cgnet_camvid11.pth'

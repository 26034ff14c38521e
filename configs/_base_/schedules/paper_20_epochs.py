# The paper's schedule: 20 epochs, Adam at 1e-5 without weight decay, polynomial decay with every iteration. After each
# epoch mIoU on the validation set and AP on two benchmarks; the checkpoint with the best AP is kept beside the last.
_base_ = '../default_runtime.py'
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-5, weight_decay=0.0))
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=20, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
log_processor = dict(by_epoch=True)
custom_hooks = [
    dict(type='BenchmarkHook', benchmarks=['fishyscapes-lost-and-found', 'road-anomaly'], num_classes=19),
]
default_hooks = dict(
    logger=dict(log_metric_by_epoch=True),
    checkpoint=dict(
        by_epoch=True,
        interval=1,
        max_keep_ckpts=1,
        save_best='fishyscapes-lost-and-found/AP',
        rule='greater',
    ),
)

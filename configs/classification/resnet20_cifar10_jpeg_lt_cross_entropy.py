# ResNet-20 on long-tailed CIFAR-10 (JPEG copy): the fine-tuning without outliers, the control.
_base_ = [
    '../_base_/classification/cifar10_jpeg_lt.py',
    '../_base_/classification/finetuning.py',
    '../_base_/classification/runtime.py',
]
train_dataloader = dict(batch_sampler=dict(outliers_per_batch=0))
model = dict(
    pretrained='work_dirs/cifar10_jpeg_lt/pretraining_0/epoch_60.pth',
    backbone=dict(type='CIFARResNet', depth=20),
    losses=[dict(type='InlierCrossEntropyLoss')],
)
# Half of the paper's epochs: it is trained on a CPU.
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=10, eta_min=1e-6, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=10, val_interval=10)
optim_wrapper = dict(optimizer=dict(lr=5e-3))  # with a tenth of the paper's iterations

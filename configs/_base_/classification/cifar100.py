# CIFAR-100, all else as for CIFAR-10.
_base_ = './cifar10.py'
num_classes = 100
inliers = dict(num_classes=num_classes)
train_dataloader = dict(dataset=dict(inliers=inliers))
val_dataloader = dict(dataset=dict(inliers=inliers))
test_dataloader = val_dataloader
model = dict(
    num_classes=num_classes,
    data_preprocessor=dict(mean=(0.5071, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2762)),
)

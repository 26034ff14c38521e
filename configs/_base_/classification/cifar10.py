# CIFAR-10, outliers from 300K random images, tested on the customary OOD sets.
_base_ = './loaders.py'
num_classes = 10
inliers = dict(type='CIFARDataset', data_root='data', num_classes=num_classes, split='train')
outliers = dict(type='ArrayDataset', path='data/300K_random_images.npy', num_images=30000)
train_dataloader = dict(dataset=dict(inliers=inliers, outliers=outliers))
val_dataloader = dict(
    dataset=dict(
        inliers=dict(type='CIFARDataset', data_root='data', num_classes=num_classes, split='test'),
        ood=dict(
            svhn=dict(type='OODFolderDataset', path='data/svhn'),
            textures=dict(type='OODFolderDataset', path='data/textures'),
            lsun=dict(type='OODFolderDataset', path='data/lsun'),
            lsun_resize=dict(type='OODFolderDataset', path='data/lsun_resize'),
            isun=dict(type='OODFolderDataset', path='data/isun'),
            places365=dict(type='OODFolderDataset', path='data/places365'),
        ),
    ))
test_dataloader = val_dataloader
model = dict(
    num_classes=num_classes,
    data_preprocessor=dict(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
)

# CIFAR-10, outliers from 300K random images, tested on the customary OOD sets.
num_classes = 10
inliers = dict(type='CIFARDataset', data_root='data', num_classes=num_classes, split='train')
outliers = dict(type='ArrayDataset', path='data/300K_random_images.npy', num_images=30000)
train_dataloader = dict(
    batch_size=128,  # inliers
    num_workers=0,  # images lie in memory and are augmented on the device
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='InlierOutlierBatchSampler', outliers_per_batch=256),
    collate_fn=dict(type='take_batch'),
    dataset=dict(type='InlierOutlierDataset', inliers=inliers, outliers=outliers),
)
val_dataloader = dict(
    batch_size=500,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='take_batch'),
    dataset=dict(
        type='TestSetsDataset',
        inliers=dict(type='CIFARDataset', data_root='data', num_classes=num_classes, split='test'),
        ood=dict(
            svhn=dict(type='OODFolderDataset', path='data/svhn'),
            textures=dict(type='OODFolderDataset', path='data/textures'),
            lsun=dict(type='OODFolderDataset', path='data/lsun'),
            lsun_resize=dict(type='OODFolderDataset', path='data/lsun_resize'),
            isun=dict(type='OODFolderDataset', path='data/isun'),
            places365=dict(type='OODFolderDataset', path='data/places365'),
        ),
    ),
)
val_evaluator = dict(type='OODMetric', scores=('energy', 'msp'))
test_dataloader = val_dataloader
test_evaluator = val_evaluator
model = dict(
    type='ImageClassifier',
    num_classes=num_classes,
    data_preprocessor=dict(
        type='ClassificationDataPreprocessor',
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        pad=4,
        flip_prob=0.5,
    ),
)

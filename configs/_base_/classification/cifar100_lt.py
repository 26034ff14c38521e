# Long-tailed CIFAR-100: class k keeps int(500 * 0.01 ** (k / 99)) images. Tested on the SC-OOD lists, whose OOD sets
# hold inliers, too.
_base_ = './cifar100.py'
num_classes = 100
class_counts = [int(500 * 0.01**(k / 99)) for k in range(num_classes)]
inliers = dict(
    _delete_=True,
    type='LongTailDataset',
    dataset=dict(type='CIFARDataset', data_root='data', num_classes=num_classes, split='train'),
    num_max=500,
    ratio=0.01,
)
train_dataloader = dict(dataset=dict(inliers=inliers))
scood = 'data/scood'
lists = 'imglist/benchmark_cifar100'
val_dataloader = dict(
    dataset=dict(
        ood=dict(
            _delete_=True,
            textures=dict(type='ImageListDataset', data_root=scood, list_file=f'{lists}/test_texture.txt'),
            svhn=dict(type='ImageListDataset', data_root=scood, list_file=f'{lists}/test_svhn.txt'),
            cifar10=dict(type='ImageListDataset', data_root=scood, list_file=f'{lists}/test_cifar10.txt'),
            tiny_imagenet=dict(type='ImageListDataset', data_root=scood, list_file=f'{lists}/test_tin.txt'),
            lsun=dict(type='ImageListDataset', data_root=scood, list_file=f'{lists}/test_lsun.txt'),
            places365=dict(type='ImageListDataset', data_root=scood, list_file=f'{lists}/test_places365.txt'),
        )))
val_evaluator = dict(class_counts=class_counts)
test_dataloader = val_dataloader
test_evaluator = val_evaluator

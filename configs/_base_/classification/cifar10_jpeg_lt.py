# Long-tailed CIFAR-10 from folders of JPEG files, 1000 to 10 images a class; outliers and one test set are disjoint
# classes of Tiny-ImageNet, without those that show what CIFAR-10 has: dogs, cats, birds, frogs, cars, trucks and boats.
_base_ = './loaders.py'
num_classes = 10
class_counts = [int(1000 * 0.01**(k / 9)) for k in range(num_classes)]
inliers = dict(
    type='LongTailDataset',
    dataset=dict(type='ImageFolderDataset', path='data/cifar10_jpeg/train.zip', split='train'),
    num_max=1000,
    ratio=0.01,
)
outliers = dict(
    type='ImageFolderDataset',
    path='data/tiny_imagenet/outliers_train.zip',
    outlier=True,
    exclude_classes=(
        'n01641577',  # bullfrog
        'n02002724',  # black stork
        'n02058221',  # albatross
        'n02085620',  # Chihuahua
        'n02099601',  # golden retriever
        'n02106662',  # German shepherd
        'n02123045',  # tabby cat
        'n02124075',  # Egyptian cat
        'n02814533',  # beach wagon
        'n03100240',  # convertible
        'n03447447',  # gondola
        'n03670208',  # limousine
    ),
)
train_dataloader = dict(dataset=dict(inliers=inliers, outliers=outliers))
val_dataloader = dict(
    dataset=dict(
        inliers=dict(type='ImageFolderDataset', path='data/cifar10_jpeg/test.zip', split='test'),
        ood=dict(
            tiny_imagenet=dict(
                type='ImageFolderDataset',
                path='data/tiny_imagenet/outliers_test.zip',
                outlier=True,
                split='test',
                exclude_classes=(
                    'n01644900',  # tailed frog
                    'n01855672',  # goose
                    'n02056570',  # king penguin
                    'n02094433',  # Yorkshire terrier
                    'n02099712',  # Labrador retriever
                    'n02113799',  # standard poodle
                    'n02123394',  # Persian cat
                    'n03662601',  # lifeboat
                    'n03796401',  # moving van
                    'n03977966',  # police van
                    'n04285008',  # sports car
                ),
            ),
            coco=dict(
                type='COCOCropsDataset',
                ann_file='data/coco/annotations/instances_train2017.json',
                img_dir='data/coco/train2017',
                exclude_categories=(
                    'airplane', 'bird', 'boat', 'bus', 'car', 'cat', 'dog', 'horse', 'motorcycle', 'train', 'truck'),
            ),
            digits=dict(type='DigitsDataset', classes=tuple(range(10)), split='test', outlier=True, image_size=32),
        ),
    ))
val_evaluator = dict(class_counts=class_counts)
test_dataloader = val_dataloader
test_evaluator = val_evaluator
model = dict(
    num_classes=num_classes,
    data_preprocessor=dict(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
)

"""Write the embedded default data set, a procedural mini Cityscapes with outliers and an anomaly test set.

python tools/prepare_mini_street.py data/mini_street
"""

import argparse
import sys
import time


def parse_args(argv=None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', metavar='ROOT', help='folder to write into, such as data/mini_street')
    parser.add_argument('--seed', type=int, default=0, help='another seed gives other streets (default: %(default)s)')
    return parser.parse_args(argv)


def main(argv=None) -> int:
    """Run the command; returns its exit status."""
    args = parse_args(argv)
    from mmseg_ood.segmentation.datasets.mini_street import prepare_mini_street

    start = time.perf_counter()
    try:
        meta = prepare_mini_street(args.root, seed=args.seed)
    except (OSError, ValueError) as error:
        print(f'prepare_mini_street: {error}', file=sys.stderr)
        return 1
    counts = meta['counts']
    lines = [
        ('leftImg8bit + gtFine', f'{counts["train"]} train and {counts["val"]} val scenes, Cityscapes train ids'),
        ('outliers', f'{counts["outliers"]} pictures, annotations/instances_train.json (COCO format)'),
        ('test', f'{counts["test"]} frames, labels 0 / 1 / 255, {counts["test_clean"]} of them without anomaly'),
        ('meta.json', 'seed, families, class frequencies'),
    ]
    print(f'{args.root}: seed {args.seed}, {time.perf_counter() - start:.0f} s')
    for name, text in lines:
        print(f'  {name:<22}{text}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

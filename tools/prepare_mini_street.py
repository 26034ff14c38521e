"""Write the embedded default data set: procedural streets, outlier objects and an anomaly test set."""
import argparse

from mmseg_ood.cli import quiet_import, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('root', metavar='ROOT', help='folder to write into, such as data/mini_street')
    parser.add_argument('--seed', type=int, default=0, help='another seed gives other streets')
    args = parser.parse_args()
    with quiet_import():
        from mmseg_ood.segmentation.datasets.mini_street import prepare_mini_street
    counts = prepare_mini_street(args.root, seed=args.seed)['counts']
    print(f'written: {args.root} with {counts["train"]} train and {counts["val"]} val scenes, {counts["outliers"]} '
          f'pictures of outliers, {counts["test"]} test frames ({counts["test_clean"]} without anomaly)')


if __name__ == '__main__':
    run(main)

"""Compare the results of two or more evaluations on one page."""
import argparse

from mmseg_ood.cli import quiet_import, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folders', nargs='+', metavar='DIR', help='result folders of evaluate.py; differences are to '
                                                                  'the first')
    parser.add_argument('--out', required=True, help='folder of the page, compare.json and compare.csv')
    parser.add_argument('--force', action='store_true', help='replace an earlier comparison in the folder')
    args = parser.parse_args()
    with quiet_import():
        from mmseg_ood.apis.compare import compare
    print(f'written: {compare(args.folders, args.out, args.force)}')


if __name__ == '__main__':
    run(main)

"""Measure the max logits of a network on its training frames, which the score sml is standardised with."""
import argparse

from mmseg_ood.cli import add_config_arguments, parse_cfg_options, quiet_import, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='MMEngine config file')
    parser.add_argument('checkpoint', help='weights')
    parser.add_argument('--num-images', type=int, help='frames, evenly spread over the training set (default: all)')
    parser.add_argument('--out', help='the file to write (default: beside the checkpoint, as NAME.statistics.json)')
    add_config_arguments(parser, launcher=False)
    args = parser.parse_args()
    with quiet_import():
        from mmseg_ood.apis.measure_statistics import measure_statistics
        from mmseg_ood.core import statistics_path
    result = measure_statistics(args.config, args.checkpoint, args.out, args.num_images,
                                parse_cfg_options(args.cfg_options))
    print('    mean      std        pixels  predicted class')
    for name, *figures in zip(result['classes'], result['mean'], result['std'], result['counts'], strict=True):
        print('{:8.3f} {:8.3f} {:13d}  {}'.format(*figures, name))
    print(f'written: {args.out or statistics_path(args.checkpoint)}, from {result["num_images"]} frames')


if __name__ == '__main__':
    run(main)

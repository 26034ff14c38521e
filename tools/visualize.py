"""Draw image, prediction, anomaly map, ground truth and the mask at a threshold of images or a benchmark."""
import argparse

from mmseg_ood.cli import add_config_arguments, parse_cfg_options, quiet_import, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='MMEngine config file')
    parser.add_argument('checkpoint', help='weights')
    parser.add_argument('input', help='image, folder, glob, or NAME[=ROOT] of a benchmark (with its ground truth)')
    parser.add_argument('--score', default='energy', metavar='NAME[:OPTION,...]',
                        help='energy, msp, max_logit, entropy or sml, with options: energy:temperature=2,smoothing')
    parser.add_argument('--out', default='anomaly_maps', help='folder of the PNG files')
    parser.add_argument('--threshold', metavar='NUMBER|RESULTS.JSON',
                        help='also draw and write what scores at least this: -6.3 (or --threshold=-1e-3), or the '
                             'results.json of evaluate.py for this checkpoint')
    parser.add_argument('--operating-point', default='best_F1', metavar='NAME',
                        help='which threshold of results.json: best_F1, TPR95, FPR5, ... (default: %(default)s)')
    parser.add_argument('--threshold-benchmark', metavar='NAME[=ROOT]',
                        help='on which benchmark of results.json it was measured (default: that of the input, or the '
                             'only one)')
    parser.add_argument('--min-component', type=int, default=50, metavar='PIXELS',
                        help='smallest component of the mask that gets a box (default: %(default)s)')
    add_config_arguments(parser, launcher=False)
    args = parser.parse_args()
    with quiet_import():
        from mmseg_ood.apis import visualize
    written = visualize(
        args.config, args.checkpoint, args.input, args.score, args.out, parse_cfg_options(args.cfg_options),
        threshold=args.threshold, operating_point=args.operating_point, threshold_benchmark=args.threshold_benchmark,
        min_component=args.min_component)
    print(f'written: {len(written)} pictures in {args.out}')


if __name__ == '__main__':
    run(main)

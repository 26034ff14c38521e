"""Draw image, prediction, anomaly map and ground truth of images, a folder, a glob or a benchmark."""
import argparse

from mmseg_ood.cli import add_config_arguments, parse_cfg_options, quiet_import, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='MMEngine config file')
    parser.add_argument('checkpoint', help='weights')
    parser.add_argument('input', help='image, folder, glob, or NAME[=ROOT] of a benchmark (with its ground truth)')
    parser.add_argument('--score', default='energy', help='energy, msp, max_logit or entropy')
    parser.add_argument('--out', default='anomaly_maps', help='folder of the PNG files')
    add_config_arguments(parser, launcher=False)
    args = parser.parse_args()
    with quiet_import():
        from mmseg_ood.apis import visualize
    written = visualize(args.config, args.checkpoint, args.input, args.score, args.out,
                        parse_cfg_options(args.cfg_options))
    print(f'written: {len(written)} pictures in {args.out}')


if __name__ == '__main__':
    run(main)

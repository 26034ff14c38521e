"""Train the network of a config: tools/train.py configs/mini_street/fast_scnn_balanced_energy.py"""
import argparse

from mmseg_ood.cli import add_config_arguments, parse_cfg_options, quiet_import, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='MMEngine config file')
    parser.add_argument('--work-dir', help='folder of checkpoints and logs (default: work_dirs/CONFIG)')
    parser.add_argument('--resume', nargs='?', const=True, default=False, metavar='CKPT',
                        help='continue from the newest checkpoint of the work dir, or from this one')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    add_config_arguments(parser)
    args = parser.parse_args()
    with quiet_import():
        from mmseg_ood.apis import train
    train(args.config, args.work_dir, args.resume, args.amp, parse_cfg_options(args.cfg_options), args.launcher)


if __name__ == '__main__':
    run(main)

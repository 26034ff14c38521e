"""Evaluate a checkpoint on anomaly segmentation benchmarks and write results.json and results.csv."""
import argparse

from mmseg_ood.cli import add_config_arguments, parse_cfg_options, quiet_import, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='MMEngine config file')
    parser.add_argument('checkpoint', help='weights')
    parser.add_argument('--benchmark', nargs='+', default=[], metavar='NAME[=ROOT]',
                        help='e.g. road-anomaly=data/road_anomaly fishyscapes-static; a wrong name lists all')
    parser.add_argument('--score', nargs='+', default=['energy'], help='energy, msp, max_logit, entropy')
    parser.add_argument('--out', help='folder of the results (default: evaluation/ beside the checkpoint)')
    add_config_arguments(parser)
    args = parser.parse_args()
    with quiet_import():
        from pathlib import Path

        from mmengine.dist import is_main_process

        from mmseg_ood.apis import evaluate, results_table
    out = Path(args.out) if args.out else Path(args.checkpoint).parent / 'evaluation'
    results = evaluate(args.config, args.checkpoint, args.benchmark, args.score, out,
                       parse_cfg_options(args.cfg_options), args.launcher)
    if is_main_process():
        print(results_table(results))
        print(f'written: {out / "results.json"} and {out / "results.csv"}')


if __name__ == '__main__':
    run(main)

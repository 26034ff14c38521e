"""Train and evaluate for every point of a grid and every seed, with a table and a plot in the end (ablations)."""
import argparse
import sys

from mmseg_ood.cli import add_config_arguments, parse_cfg_options, quiet_import, run

EPILOG = """
examples:
  sweep.py CONFIG --grid alpha=0,5 gamma=0,1,3 --seeds 0 1 2 --benchmark road-anomaly=data/road_anomaly --out D
  sweep.py CONFIG --grid lr=1e-3,1e-4 model.decode_head.loss_decode.1.m_out=-3,-2 --benchmark road-anomaly --gpus 0 1

A sweep that was stopped goes on with the same command; values, keys and seeds may be added.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='MMEngine config file')
    parser.add_argument('--grid', nargs='+', required=True, metavar='KEY=VALUE,...',
                        help='numbers, booleans or lists; KEY: an argument of the energy losses (alpha, m_in, ...), '
                             'gamma (of margin and weight), lr, or a key with dots as for --cfg-options')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='seeds of the trainings (default: 0)')
    parser.add_argument('--benchmark', nargs='+', required=True, metavar='NAME[=ROOT]', help='as for evaluate.py')
    parser.add_argument('--score', nargs='+', default=['energy'], metavar='NAME[:OPTION=VALUE,...]',
                        help='as for evaluate.py (default: energy)')
    parser.add_argument('--out', help='folder of all runs, tables and the plot (default: work_dirs/sweep/CONFIG)')
    parser.add_argument('--jobs', type=int, metavar='N',
                        help='runs at a time (default: one for each of --gpus, one without)')
    parser.add_argument('--gpus', nargs='+', default=[], metavar='ID',
                        help='GPUs that the runs take in turn, one each (default: all are visible to every run)')
    parser.add_argument('--force', action='store_true',
                        help='replace runs in the folder that were run with another config, weights, benchmarks or '
                             'scores')
    add_config_arguments(parser, launcher=False)
    args = parser.parse_args()
    with quiet_import():
        from pathlib import Path

        from mmseg_ood.apis.sweep import sweep
        from mmseg_ood.apis.sweep_grid import parse_grid
        from mmseg_ood.apis.sweep_results import sweep_table
        from mmseg_ood.apis.sweep_run import TrainAndEvaluate
    out = Path(args.out or Path('work_dirs') / 'sweep' / Path(args.config).stem)
    try:
        results = sweep(args.config, parse_grid(args.grid), args.benchmark, out, args.seeds, args.score,
                        parse_cfg_options(args.cfg_options), run_job=TrainAndEvaluate(Path(__file__).parent),
                        jobs=max(len(args.gpus), 1) if args.jobs is None else args.jobs, gpus=args.gpus,
                        force=args.force)
    except KeyboardInterrupt:
        print('stopped; the same command goes on from here', file=sys.stderr)
        sys.exit(130)
    print(sweep_table(results))
    print(f'written: {out}: sweep.json, sweep.csv{", sweep.png" if results["results"] else ""}')
    failed = {entry['folder']: entry['error'] for entry in results['runs'] if entry['error'] is not None}
    for folder, error in failed.items():
        print(f'failed: {out / folder}: {error}', file=sys.stderr)
    if failed:
        print(f'{len(failed)} of {len(results["runs"])} runs failed; the same command tries them again',
              file=sys.stderr)
        sys.exit(1)


if __name__ == '__main__':
    run(main)

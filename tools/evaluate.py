"""Evaluate a segmentor or saved anomaly maps on anomaly segmentation benchmarks, or a classifier on OOD image sets."""
import argparse

from mmseg_ood.cli import add_config_arguments, parse_cfg_options, quiet_import, run

EPILOG = """
examples:
  evaluate.py CONFIG CHECKPOINT --benchmark road-anomaly=data/road_anomaly fishyscapes-static --score energy msp --out D
  evaluate.py CONFIG CHECKPOINT --benchmark road-anomaly --score energy:smoothing sml:statistics=stats.json --out D
  evaluate.py --maps outputs/anomaly_p/my_method --benchmark road-anomaly-21=data/RoadAnomaly21 --out D
  evaluate.py CLASSIFIER_CONFIG CHECKPOINT --benchmark my-images=some/folder --score energy msp --out D
  torchrun --nproc_per_node 8 tools/evaluate.py CONFIG CHECKPOINT --benchmark street-hazards --out D --launcher pytorch
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', help='MMEngine config file')
    parser.add_argument('checkpoint', nargs='?', help='weights')
    parser.add_argument('--maps', nargs='+', default=[], metavar='DIR',
                        help='judge saved maps instead of a network: one folder a method, with BENCHMARK/NAME.hdf5 '
                             '(npy, npz, png, tif)')
    parser.add_argument('--benchmark', nargs='+', default=[], metavar='NAME[=ROOT]',
                        help='e.g. road-anomaly=data/road_anomaly fishyscapes-static; a wrong name lists all; for a '
                             'classifier NAME=PATH of further OOD images')
    parser.add_argument('--score', nargs='+', default=['energy'], metavar='NAME[:OPTION=VALUE,...]',
                        help='energy, msp, max_logit, entropy, sml, void or your own; options: temperature=T, '
                             'smoothing, statistics=FILE, name=NAME (default: energy)')
    parser.add_argument('--out', help='folder of the results (default: evaluation/ beside the checkpoint or in DIR)')
    parser.add_argument('--fpr-rule', choices=('first', 'nearest', 'interpolate'), default='first',
                        help='how FPR95 is read (default: first threshold with TPR >= 95 %%, as Fishyscapes)')
    parser.add_argument('--max-fpr', type=float, default=0.05, metavar='F',
                        help='also give the threshold for this false positive rate (default: 0.05)')
    parser.add_argument('--save-maps', nargs='?', const='float16', choices=('float16', 'float32', 'uint16'),
                        help='keep the anomaly maps in the layout of SegmentMeIfYouCan (default format: float16)')
    parser.add_argument('--resume', action='store_true', help='go on with an interrupted evaluation')
    parser.add_argument('--force', action='store_true', help='replace earlier results in the folder')
    add_config_arguments(parser)
    args = parser.parse_args()
    if not args.maps and args.checkpoint is None:
        parser.error('the following arguments are required: config, checkpoint (or --maps)')
    with quiet_import():
        from pathlib import Path

        from mmengine.dist import is_main_process

        from mmseg_ood.apis import evaluate, results_table
        from mmseg_ood.apis.runtime import is_classification, load_config
    out = Path(args.out or Path(args.maps[0] if args.maps else args.checkpoint).parent / 'evaluation')
    options = dict(launcher=args.launcher, fpr_rule=args.fpr_rule, max_fpr=args.max_fpr, force=args.force)
    config = args.config and load_config(args.config, parse_cfg_options(args.cfg_options))
    if config and is_classification(config):
        if args.save_maps or args.resume or args.maps:
            parser.error('a classifier has no anomaly maps: --maps, --save-maps and --resume are for segmentors')
        from mmseg_ood.apis.evaluate_classifier import evaluate_classifier
        results = evaluate_classifier(config, args.checkpoint, args.score, out, args.benchmark, **options)
    else:
        results = evaluate(config, args.checkpoint, args.benchmark, args.score, out, args.maps,
                           save_maps=args.save_maps, resume=args.resume, **options)
    if is_main_process():
        print(results_table(results))
        print(f'written: {out}: results.json, results.csv, curves/; open {out / "index.html"}')


if __name__ == '__main__':
    run(main)

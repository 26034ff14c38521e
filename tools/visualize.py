"""Draw image, prediction, anomaly map, ground truth and the mask at a threshold of images, videos or a benchmark."""
import argparse
import sys

from mmseg_ood.cli import add_config_arguments, parse_cfg_options, quiet_import, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='MMEngine config file')
    parser.add_argument('checkpoint', help='weights')
    parser.add_argument('input', help='image, folder, glob, video, or NAME[=ROOT] of a benchmark (with its ground '
                                      'truth)')
    parser.add_argument('--score', default='energy', metavar='NAME[:OPTION,...]',
                        help='energy, msp, max_logit, entropy or sml, with options: energy:temperature=2,smoothing')
    parser.add_argument('--out', default='anomaly_maps', help='folder of the PNG and mp4 files')
    parser.add_argument('--force', action='store_true', help='replace earlier results in that folder')
    parser.add_argument('--layout', choices=('panels', 'overlay', 'side-by-side'),
                        help='all pictures with titles, the anomaly map over the image, or the image and this '
                             '(default: panels for images, side-by-side for videos)')
    parser.add_argument('--score-range', nargs=2, type=float, metavar=('LOW', 'HIGH'),
                        help='scores at the two ends of the colours (default: measured on 8 frames of the input)')
    parser.add_argument('--codec', metavar='FOURCC',
                        help='of videos: avc1, mp4v, VP90, ... (default: avc1, which is H.264, where OpenCV can write '
                             'it, mp4v where not)')
    threshold = parser.add_mutually_exclusive_group()
    threshold.add_argument('--threshold', metavar='NUMBER|RESULTS.JSON',
                           help='also draw and write what scores at least this: -6.3 (or --threshold=-1e-3), or the '
                                'results.json of evaluate.py for this checkpoint')
    threshold.add_argument('--inliers', metavar='INPUT',
                           help='choose the threshold by frames without anomalies')
    parser.add_argument('--quantile', type=float, default=0.95,
                        help='share of the pixels of --inliers that stays below the threshold (default: %(default)s)')
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
        inliers=args.inliers, quantile=args.quantile, min_component=args.min_component, layout=args.layout,
        score_range=args.score_range, codec=args.codec, force=args.force)
    videos = sum(path.suffix == '.mp4' for path in written)
    counts = {'picture': len(written) - videos, 'video': videos}
    named = [f'{count} {what}{"s" * (count != 1)}' for what, count in counts.items() if count]
    print(f'written: {" and ".join(named)} in {args.out}')
    if written.failures:
        sys.exit(1)


if __name__ == '__main__':
    run(main)

"""Measure how fast the parts of the toolkit are, and how much memory they take, side by side with the usual way."""
import argparse

from mmseg_ood.cli import quiet_import, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    metrics = commands.add_parser('metrics', help='pixel and component metrics, beside scikit-learn on all scores')
    metrics.description = 'Measure the metrics on simulated frames, beside keeping all scores for scikit-learn.'
    metrics.add_argument('--frames', type=int, default=10, metavar='N', help='frames of the comparison (default: 10)')
    metrics.add_argument('--long', type=int, default=100, metavar='M',
                         help='frames of a long run, which repeats the others (default: 100; 0 leaves it out)')
    metrics.add_argument('--size', type=_size, default=(1024, 2048), metavar='HxW',
                         help='height and width of a frame in px (default: 1024x2048)')
    metrics.add_argument('--out', metavar='FILE.json', help='file to write with everything measured')
    metrics.set_defaults(run=_metrics)
    classification = commands.add_parser(
        'classification', help='input pipeline and training step of a classifier, beside PIL image by image')
    classification.description = 'Measure images per second of input and step of a classifier on random 32x32 images.'
    classification.add_argument('--images', type=int, default=20000, metavar='N',
                                help='how many there are to draw from (default: 20000)')
    classification.add_argument('--backbone', default='CIFARResNet', help='of the step (default: CIFARResNet)')
    classification.add_argument('--depth', type=int, default=20, help='of the backbone (default: 20)')
    classification.add_argument('--device', help='default: the GPU if there is one')
    classification.add_argument('--out', metavar='FILE.json', help='file to write with everything measured')
    classification.set_defaults(run=_classification)
    args = parser.parse_args()
    args.run(args)


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition('x')
    if not (height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f'expected HxW, such as 1024x2048, found {text!r}')
    return int(height), int(width)


def _metrics(args: argparse.Namespace) -> None:
    with quiet_import():
        from mmseg_ood.apis.benchmark import benchmark_metrics, format_metrics
    print(format_metrics(benchmark_metrics(args.frames, args.long, args.size, args.out)))
    _say_written(args.out)


def _classification(args: argparse.Namespace) -> None:
    with quiet_import():
        from mmseg_ood.apis.benchmark_classification import benchmark_classification, format_classification
    print(format_classification(benchmark_classification(args.images, args.backbone, args.depth, args.device,
                                                         args.out)))
    _say_written(args.out)


def _say_written(path: str | None) -> None:
    if path:
        print(f'written: {path}')


if __name__ == '__main__':
    run(main)

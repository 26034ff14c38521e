"""Convert a released checkpoint of the paper's network, or give any MMSegmentation checkpoint further outputs."""
import argparse

from mmseg_ood.cli import quiet_import, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('src', help='the released file')
    parser.add_argument('dst', help='the checkpoint to write; a report goes beside it, as NAME.conversion.json')
    parser.add_argument('--source', required=True, choices=('nvidia', 'pebal', 'balanced-energy', 'mmseg'),
                        help='who released it: nvidia has 19 outputs, pebal and balanced-energy have 20; mmseg: a '
                             'checkpoint of MMSegmentation, which only gets the outputs of --extend-classes')
    parser.add_argument('--extend-classes', type=int, metavar='N',
                        help='add untrained outputs until there are N: 20 for the abstention beside 19 classes')
    parser.add_argument('--seed', type=int, default=0, help='of the weights of that output')
    parser.add_argument('--force', action='store_true', help='replace an earlier conversion')
    args = parser.parse_args()
    if args.source == 'mmseg' and args.extend_classes is None:
        parser.error('--source mmseg needs --extend-classes N')
    with quiet_import():
        from mmseg_ood.apis.convert_checkpoint import convert_checkpoint
        from mmseg_ood.apis.extend_classes import extend_classes
    if args.source == 'mmseg':
        report = extend_classes(args.src, args.dst, args.extend_classes, args.seed, args.force)
        print(f'added: {", ".join(report["added"])}\nwritten: {args.dst}')
        return
    report = convert_checkpoint(args.src, args.dst, args.source, args.extend_classes, args.seed, force=args.force)
    print(f'used: {len(report["used"])} entries, {report["num_weights"]} weights, {report["num_denormal"]} of them '
          f'denormal')
    for what in ('ignored', 'added'):
        print(f'{what}: {", ".join(report[what]) or "none"}')
    print(f'written: {args.dst}')


if __name__ == '__main__':
    run(main)

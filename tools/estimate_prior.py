"""Estimate the class prior of the outliers for a network, measure its energies and propose margins and alpha."""
import argparse

from mmseg_ood.cli import add_config_arguments, parse_cfg_options, quiet_import, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='MMEngine config file whose training pipeline pastes outliers, or of a '
                                       'classifier with outlier images')
    parser.add_argument('checkpoint', help='weights of the network before its fine-tuning')
    parser.add_argument('--num-images', type=int, default=10000,
                        help='training images to draw (default: 10000, as in the paper; margins are stable with 100)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--gamma', type=float,
                        help='exponent of the prior in the margin (default: 3, classification 0.75, as in the paper)')
    parser.add_argument('--out', default='prior.json',
                        help='the file to write; prior.png and prior_energies.png go beside it')
    add_config_arguments(parser, launcher=False)
    args = parser.parse_args()
    with quiet_import():
        from mmseg_ood.apis.prior_report import loss_snippet
        from mmseg_ood.apis.runtime import is_classification, load_config
    config = load_config(args.config, parse_cfg_options(args.cfg_options))
    if is_classification(config):
        from mmseg_ood.apis.classifier_prior import estimate_classifier_prior as estimate
    else:
        from mmseg_ood.apis import estimate_prior as estimate
    result = estimate(config, args.checkpoint, args.out, args.num_images, args.seed,
                      **({} if args.gamma is None else dict(gamma=args.gamma)))
    for name, share in sorted(zip(result['classes'], result['prior'], strict=True), key=lambda item: -item[1]):
        print(f'{share:7.4f}  {name}')
    for side, quantiles in result['energy_quantiles'].items():
        print(f'energy of {side}s, quantiles: {", ".join(f"{q}: {value:.2f}" for q, value in quantiles.items())}')
    if result['margins']:
        print(f'proposed losses, one of:\n{loss_snippet(result, args.out)}')
    print(f'written: {args.out}, from {result["num_images"]} images')


if __name__ == '__main__':
    run(main)

"""Training, evaluation and class prior of a classifier, against the network's own logits and scikit-learn."""
import csv
import json

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS, DefaultScope
from sklearn.metrics import average_precision_score, roc_auc_score

from mmseg_ood.apis.benchmark_classification import benchmark_classification, format_classification
from mmseg_ood.apis.classifier_prior import estimate_classifier_prior
from mmseg_ood.apis.classifiers import build_classifier
from mmseg_ood.apis.evaluate_classifier import evaluate_classifier
from mmseg_ood.apis.prior_report import loss_snippet
from mmseg_ood.apis.results import results_table
from mmseg_ood.apis.runtime import is_classification, load_config
from mmseg_ood.apis.train import train
from mmseg_ood.core import load_prior


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmengine'):
        yield


@pytest.fixture
def predict(digits_world):
    """Logits of the images of a data set, and their labels."""
    cfg = load_config(digits_world.config)
    classifier = build_classifier(cfg, digits_world.checkpoint, 'cpu')

    def run(dataset):
        images = DATASETS.build(dataset)
        pixels = (torch.from_numpy(images.images) / 255 - 0.3) / 0.38
        with torch.no_grad():
            logits = classifier.fc(classifier.backbone(pixels.permute(0, 3, 1, 2)))
        return logits.double(), images.labels
    return run


@pytest.fixture
def test_sets(digits_world):
    return load_config(digits_world.config).test_dataloader.dataset


def energies(logits):
    return -logits.logsumexp(1).numpy()


def test_which_configs_are_of_classification(digits_world, world):
    assert is_classification(load_config(digits_world.config))
    assert not is_classification(load_config(world.config))


def test_figures_are_scikit_learns(digits_world, predict, test_sets):
    results = evaluate_classifier(digits_world.config, digits_world.checkpoint, ['energy', 'msp'], device='cpu')
    inliers, labels = predict(test_sets.inliers)
    rows = {(row['benchmark'], row.get('score')): row for row in results['results']}
    assert rows['in-distribution', None]['accuracy'] == pytest.approx(
        100 * (inliers.argmax(1).numpy() == labels).mean())
    aurocs = []
    for name in ('eights', 'nines'):
        outliers, _ = predict(test_sets.ood[name])
        is_outlier = np.repeat([0, 1], [len(inliers), len(outliers)])
        both = torch.cat([inliers, outliers])
        for score, values in (('energy', energies(both)), ('msp', 1 - both.softmax(1).amax(1).numpy())):
            row, values = rows[name, score], values.astype(np.float32)
            assert row['AUROC'] == pytest.approx(100 * roc_auc_score(is_outlier, values), abs=0.05)
            assert row['AUPR_out'] == pytest.approx(100 * average_precision_score(is_outlier, values), abs=0.05)
            assert row['AUPR_in'] == pytest.approx(100 * average_precision_score(1 - is_outlier, -values), abs=0.05)
            assert (row['images'], row['num_inlier'], row['num_outlier']) == (
                len(outliers), len(inliers), len(outliers))
        aurocs.append(rows[name, 'energy']['AUROC'])
    assert rows['mean', 'energy']['AUROC'] == pytest.approx(sum(aurocs) / 2)
    assert 'accuracy_tail' in results_table(results)


def test_files(digits_world, tmp_path):
    evaluate_classifier(digits_world.config, digits_world.checkpoint, ['energy'], tmp_path / 'out', max_fpr=0.2)
    content = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert content['provenance']['config'].endswith('digits.py')
    eights = next(row for row in content['results'] if row['benchmark'] == 'eights')
    assert set(eights['operating_points']) == {'best_F1', 'TPR95', 'FPR20'}
    with (tmp_path / 'out' / 'results.csv').open() as file:
        assert [row['benchmark'] for row in csv.DictReader(file)] == ['in-distribution', 'eights', 'nines', 'mean']
    curve = np.load(tmp_path / 'out' / 'curves' / 'eights_energy.npz')
    assert curve['tpr'][-1] == curve['fpr'][-1] == 1
    page = (tmp_path / 'out' / 'index.html').read_text()
    assert 'AUPR' in page
    assert f'{eights["AUROC"]:.2f}' in page
    with pytest.raises(FileExistsError, match='results'):
        evaluate_classifier(digits_world.config, digits_world.checkpoint, ['energy'], tmp_path / 'out')


def test_further_ood_sets(digits_world, tmp_path):
    import cv2
    for index in range(3):
        cv2.imwrite(str(tmp_path / f'{index}.png'), np.full((8, 8, 3), 80 * index, np.uint8))
    size = {'test_dataloader.dataset.ood.mine.image_size': 8}
    with pytest.raises(ValueError, match='32.*8|8.*32'):  # what OODFolderDataset decodes to, and the digits
        evaluate_classifier(digits_world.config, digits_world.checkpoint, ood_sets=[f'mine={tmp_path}'])
    config = load_config(digits_world.config, {
        'test_dataloader.dataset.ood.mine': dict(type='OODFolderDataset', path=str(tmp_path)), **size})
    rows = evaluate_classifier(config, digits_world.checkpoint)['results']
    assert next(row['num_outlier'] for row in rows if row['benchmark'] == 'mine') == 3
    for wrong, message in (('mine', 'expected an OOD set as NAME=PATH'), ('eights=x', "'eights' is there already")):
        with pytest.raises(ValueError, match=message):
            evaluate_classifier(digits_world.config, digits_world.checkpoint, ood_sets=[wrong])


def test_prior_counts_the_predictions_on_outliers(digits_world, predict, tmp_path):
    path = tmp_path / 'prior.json'
    result = estimate_classifier_prior(digits_world.config, digits_world.checkpoint, path)
    dataset = load_config(digits_world.config).train_dataloader.dataset
    outliers, _ = predict(dataset.outliers)
    inliers, _ = predict(dataset.inliers)
    counts = np.bincount(outliers.argmax(1), minlength=5)
    assert result['counts'] == counts.tolist()
    assert result['num_images'] == len(outliers)
    np.testing.assert_allclose(load_prior(str(path)).numpy(), counts / counts.sum())
    for side, logits in (('inlier', inliers), ('outlier', outliers)):
        assert result['energy_quantiles'][side]['0.5'] == pytest.approx(np.median(energies(logits)), abs=2e-3)
    assert (tmp_path / 'prior.png').is_file()
    assert (tmp_path / 'prior_energies.png').is_file()
    if result['margins']:
        assert loss_snippet(result, path).count('num_classes') == 0


def test_prior_of_a_part_of_the_outliers_is_drawn_by_seed(digits_world, tmp_path):
    def counts(seed):
        return estimate_classifier_prior(digits_world.config, digits_world.checkpoint, tmp_path / 'p.json', 40,
                                         seed)['counts']
    assert sum(counts(0)) == 40
    assert counts(0) == counts(0)
    with pytest.raises(ValueError, match='num_images must be at least 1'):
        estimate_classifier_prior(digits_world.config, digits_world.checkpoint, tmp_path / 'p.json', 0)


def test_prior_needs_outliers(digits_world, tmp_path):
    inliers = load_config(digits_world.config).inliers.to_dict()
    config = load_config(digits_world.config)
    config.train_dataloader.dataset = inliers
    with pytest.raises(ValueError, match='is a LongTailDataset, expected an InlierOutlierDataset'):
        estimate_classifier_prior(config, digits_world.checkpoint, tmp_path / 'p.json')


def test_an_epoch_of_training(digits_world, tmp_path):
    runner = train(digits_world.config, tmp_path)
    assert runner.iter == 6  # 80 + 44 + 25 + 14 + 8 digits in batches of 32
    trained = torch.load(tmp_path / 'epoch_1.pth')
    assert trained['meta']['dataset_meta']['classes'] == ('0', '1', '2', '3', '4')
    before = torch.load(digits_world.checkpoint)['state_dict']
    assert any(not torch.equal(value, before[name]) for name, value in trained['state_dict'].items())
    assert evaluate_classifier(digits_world.config, tmp_path / 'epoch_1.pth')['results'][0]['images'] == 449


def test_checkpoints_that_do_not_fit(digits_world, malicious, tmp_path):
    config = load_config(digits_world.config)
    with pytest.raises(FileNotFoundError, match='none.pth'):
        build_classifier(config, 'none.pth')
    path, made = malicious
    with pytest.raises(ValueError, match='was refused'):
        build_classifier(config, path)
    assert not made.exists()
    state = torch.load(digits_world.checkpoint)['state_dict']
    torch.save(dict(state_dict={name: value for name, value in state.items() if name != 'fc.bias'}), tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='1 missing: fc.bias'):
        build_classifier(config, tmp_path / 'x.pth')


def test_benchmark_says_what_it_measured(tmp_path, monkeypatch):
    for name, value in dict(_BATCHES=1, _INLIERS=8, _OUTLIERS=16).items():
        monkeypatch.setattr(f'mmseg_ood.apis.benchmark_classification.{name}', value)
    result = benchmark_classification(images=40, device='cpu', out=tmp_path / 'b.json')
    assert json.loads((tmp_path / 'b.json').read_text()) == result
    rates = result['images_per_second']
    assert result['times_faster'] == rates['arrays, batch by batch'] / rates['PIL, image by image']
    text = format_classification(result)
    assert 'CIFARResNet-20 on cpu' in text
    assert 'times faster than PIL' in text
    with pytest.raises(ValueError, match='at least 24'):
        benchmark_classification(images=23)

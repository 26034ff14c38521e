"""Evaluation on any number of benchmarks: of a network, or of anomaly maps from anywhere."""
from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process

from mmseg_ood.core import FPR_RULES
from mmseg_ood.report import write_report
from mmseg_ood.segmentation.evaluation import BENCHMARKS, GroundTruth, MapSource, Verdict, judge, resolve_benchmark
from mmseg_ood.segmentation.evaluation.maps import save_map

from .evaluated import BenchmarkFrames, EvaluatedMaps, EvaluatedNetwork
from .gallery import draw_gallery
from .output_folder import OutputFolder
from .prior_copy import write_prior_copy
from .results import result_row, write_classes, write_gallery, write_results, write_verdicts
from .runtime import init_processes, load_config

MAP_FORMATS = {'float16': '.hdf5', 'float32': '.npy', 'uint16': '.png'}


def evaluate(config: str | Path | Config | None = None, checkpoint: str | Path | None = None,
             benchmarks: Sequence[str] = (), scores: Sequence[str] = ('energy',), out: str | Path | None = None,
             maps: Sequence[str | Path] = (), cfg_options: dict[str, Any] | None = None, launcher: str = 'none',
             device: str | None = None, *, fpr_rule: str = 'first', max_fpr: float = 0.05,
             save_maps: str | None = None, resume: bool = False, force: bool = False) -> dict[str, Any]:
    """Pixel-level and component-level anomaly metrics on benchmarks and, where the config has a test set, its own.

    Frames go through the config's ``benchmark_pipeline`` or, by default, through the network at their own
    resolution. ``num_inlier_classes`` in the config tells of a network with further channels behind them.
    All files of all data sets are looked at before the first frame is computed. Every map is kept on disk until the
    evaluation ends, 4 bytes a pixel and score and 1 for the predicted class: the component metrics read it again at
    the threshold of the best pixel F1, and a resumed evaluation need not compute it again.

    The results are files in ``out``; ``index.html`` shows them all, see :func:`mmseg_ood.report.write_report`. If the
    folder of the checkpoint holds the log of its training, so does the page.

    Args:
        config: Config file or a loaded config.
        checkpoint: Weights.
        benchmarks: ``NAME`` or ``NAME=ROOT``, names as in
            :data:`mmseg_ood.segmentation.evaluation.BENCHMARKS`.
        scores: What :meth:`mmseg_ood.core.AnomalyScorer.parse` reads: ``energy``, ``energy:temperature=2``, ...
        out: Folder of the results, see :mod:`mmseg_ood.apis.results`; by default nothing is written.
        maps: Folders of anomaly maps, one a method, instead of config and checkpoint: they hold
            ``BENCHMARK/NAME.hdf5`` (or npy, npz, png, tif), with a single benchmark also ``NAME.hdf5``.
        cfg_options: Overrides as dotted keys.
        launcher: ``none``, ``pytorch`` or ``slurm``; frames are spread over the processes, figures stay the same.
        device: By default the GPU if there is one.
        fpr_rule: How FPR95 is read, see :meth:`mmseg_ood.core.ScoreHistogram.summary`.
        max_fpr: False positive rate for which an operating point is given.
        save_maps: Keep the maps in ``out/anomaly_p/SCORE/DATASET``: ``float16`` (the files of SegmentMeIfYouCan),
            ``float32`` or ``uint16`` (PNG, scaled to the range of the data set; ``scale.json`` tells how).
        resume: Go on with an interrupted evaluation in ``out``.
        force: Replace earlier results in ``out``.

    Returns:
        ``results`` (one dict a row: benchmark, score, frames, figures in percent, thresholds, counts),
        ``protocol`` and ``provenance``.

    Raises:
        FileNotFoundError: Config, checkpoint, data or maps do not exist.
        FileExistsError: ``out`` holds results, or an interrupted evaluation.
        ValueError: Unknown names, nothing to evaluate, a checkpoint or maps that do not fit, a benchmark without
            anomalies, or an interrupted evaluation of something else.
        OSError: Not enough space for the maps.
    """
    _check_arguments(config, checkpoint, maps, fpr_rule, max_fpr, save_maps, out)
    init_processes(launcher)
    evaluated = EvaluatedMaps(maps) if maps else EvaluatedNetwork(load_config(config, cfg_options), checkpoint, scores,
                                                                  device)
    found = _find_benchmarks(benchmarks)
    evaluated.prepare(found)
    protocol = _protocol(fpr_rule, max_fpr, evaluated.describe())
    with _output_folder(out, {**protocol, 'roots': [str(one.truth.dataset.data_root) for one in found]}, resume,
                        force) as folder:
        evaluated.check_space(folder.unfinished)
        rows = evaluated.inlier_rows(folder.unfinished)
        verdicts: dict[str, dict[str, Verdict]] = {}
        gallery: list[dict[str, Any]] = []
        for benchmark in found:
            source = evaluated.maps(benchmark, folder.unfinished)
            verdicts[benchmark.label], further = _judge(benchmark, source, fpr_rule, max_fpr)
            rows.extend(further)
            if out is not None:
                gallery.extend(draw_gallery(source, benchmark, verdicts[benchmark.label], folder.path))
            if save_maps:
                _export_maps(source, benchmark, folder.path / 'anomaly_p', save_maps, verdicts[benchmark.label])
        results = {'results': rows, 'protocol': protocol, 'provenance': evaluated.provenance()}
        if out is not None and is_main_process():
            write_verdicts(verdicts, folder.path, fpr_rule, results['provenance']['command'])
            if verdicts:
                write_gallery(verdicts, gallery, folder.path)
            if verdicts and evaluated.classes is not None:
                write_classes(verdicts, evaluated.classes, folder.path)
            if evaluated.prior is not None:
                write_prior_copy(evaluated.prior, folder.path)
            write_results(results, folder.path)
    if out is not None and is_main_process():
        write_report(out, evaluated.work_dir())
    return results


def _check_arguments(config: Any, checkpoint: Any, maps: Sequence[str | Path], fpr_rule: str, max_fpr: float,
                     save_maps: str | None, out: str | Path | None) -> None:
    if bool(maps) == (config is not None) or (config is None) != (checkpoint is None):
        raise ValueError('expected either config and checkpoint or maps')
    if fpr_rule not in FPR_RULES:
        raise ValueError(f'unknown fpr_rule {fpr_rule!r}, expected one of {", ".join(FPR_RULES)}')
    if not 0 < max_fpr < 1:
        raise ValueError(f'max_fpr must be a fraction between 0 and 1, found {max_fpr}')
    if save_maps is not None and (save_maps not in MAP_FORMATS or out is None):
        raise ValueError(f'save_maps must be one of {", ".join(MAP_FORMATS)} and needs out, found {save_maps!r} and '
                         f'{out=}')


def _find_benchmarks(arguments: Sequence[str]) -> list[BenchmarkFrames]:
    resolved = list(map(resolve_benchmark, arguments))
    repeated, seen, found = Counter(name for name, _ in resolved), Counter(), []
    for name, dataset in resolved:
        try:
            truth = GroundTruth(dataset)
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f'benchmark {name} ({dataset["data_root"]}): {error}') from error
        seen[name] += 1
        found.append(BenchmarkFrames(f'{name}-{seen[name]}' if repeated[name] > 1 else name, name, dataset, truth))
    return found


def _protocol(fpr_rule: str, max_fpr: float, further: Mapping[str, Any]) -> dict[str, Any]:
    return {'unit': 'percent', 'pooling': 'AP, FPR95, AUROC, F1: all pixels of all frames; image_*: means over the '
            'frames that hold anomalies', 'fpr_rule': fpr_rule, 'max_fpr': max_fpr,
            'components': 'score >= threshold of the best pixel F1 of the data set', **further}


@contextlib.contextmanager
def _output_folder(out: str | Path | None, description: dict[str, Any], resume: bool,
                   force: bool) -> Iterator[OutputFolder]:
    """``out``, or a folder that all processes share and that is gone afterwards."""
    if out is not None:
        with OutputFolder(Path(out), description, resume, force) as folder:
            yield folder
        return
    shared = [tempfile.mkdtemp(prefix='mmseg_ood_') if is_main_process() else None]
    broadcast_object_list(shared)
    try:
        with OutputFolder(Path(shared[0]), description) as folder:
            yield folder
    finally:
        if is_main_process():
            shutil.rmtree(shared[0], ignore_errors=True)


def _judge(benchmark: BenchmarkFrames, source: MapSource, fpr_rule: str,
           max_fpr: float) -> tuple[dict[str, Verdict], list[dict[str, Any]]]:
    """Verdicts on a benchmark by score, and the same as rows."""
    start = time.perf_counter()
    track = 'obstacle' if BENCHMARKS[benchmark.name].obstacles else 'anomaly'
    try:
        verdicts = judge(source, benchmark.truth, track, fpr_rule, max_fpr)
    except ValueError as error:
        raise ValueError(f'benchmark {benchmark.name}: {error}') from error
    dataset = benchmark.truth.dataset
    about = {'benchmark': benchmark.name, 'root': benchmark.dataset['data_root']}
    frames = {'frames': len(dataset), 'expected_frames': dataset.expected_frames, 'partial': dataset.is_partial,
              'component_track': track, 'seconds': round(time.perf_counter() - start, 2)}
    return verdicts, [{**about, 'score': name, **result_row(verdict, fpr_rule), **frames}
                      for name, verdict in verdicts.items()]


def _export_maps(source: MapSource, benchmark: BenchmarkFrames, out: Path, map_format: str,
                 verdicts: Mapping[str, Verdict]) -> None:
    """Write this process's maps in another format, in the layout of SegmentMeIfYouCan."""
    dataset = BENCHMARKS[benchmark.name].submission or benchmark.label
    folders = {name: out / name / dataset for name in source.names}
    scales = {name: _scale(verdict) for name, verdict in verdicts.items()} if map_format == 'uint16' else {}
    for index, maps in source:
        for name, scores in maps.items():
            values = scores.cpu().numpy()
            if name in scales:
                values = ((values - scales[name]['offset']) / scales[name]['step']).round().clip(0, 65535)
                values = values.astype(np.uint16)
            save_map(folders[name] / f'{benchmark.truth.names[index]}{MAP_FORMATS[map_format]}', values)
    for name, scale in scales.items():
        if is_main_process():
            (folders[name] / 'scale.json').write_text(json.dumps(scale), encoding='utf-8')


def _scale(verdict: Verdict) -> dict[str, float]:
    """How 16 bits span the scores of a data set: ``score = offset + step * value``."""
    low, high = verdict.curve['threshold'][[-1, 0]].tolist()
    return {'offset': low, 'step': max((high - low) / 65535, float(np.finfo(np.float32).tiny))}

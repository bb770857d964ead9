"""Records of a report: measures those that are missing, damaged or outdated."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import Progress

from core.cpu import cpu_name
from core.errors import DataError
from core.records.base import ReportedModel, write_report
from core.records.explanations import Activations, Explanations
from core.records.latency import Latency, LatencyTiming
from core.records.lookup import NAMES, AnyVersionRecord, VersionRecord, find_report, report_path
from core.records.mistakes import Mistakes
from core.records.robustness import Robustness
from core.records.training_fit import TrainingFit
from core.repository.manifest import GRAPHS, Manifest
from core.repository.onnx_session import open_session, runtime_version
from core.statistics.intervals import statistic_estimate
from training.analysis.explore.explore import exploration_record, find
from training.analysis.interpret.activations import Model
from training.analysis.interpret.commands import Work, record_activations, record_explanations, record_mistakes
from training.analysis.interpret.evaluate import settings
from training.analysis.interpret.maximize import CLASS_OBJECTIVE
from training.analysis.report.collect import RecordStore
from training.analysis.report.studies import augmentation_studies, tunings
from training.analysis.robustness.measure import IMAGES, QUICK_IMAGES, measure_robustness
from training.evaluation.training_fit import measure_training_fit

ProgressCallback = Callable[[str, int, int], None]
BATCHES = (1, 32)
_SECONDS, _QUICK_SECONDS = 3.0, 0.3
"""Measured processor time per graph and batch size."""
_MIN_RUNS = 10


@dataclass(frozen=True)
class ReportContext:
    """Inputs and settings of a report.

    Attributes:
        layers: folders of records in order of precedence; the first is the folder of `work`.
        progress: progress display, with one bar for each measured record.
        note: called with a sentence for each record that is measured again.
    """

    work: Work
    layers: Sequence[Path]
    home: Path
    progress: Progress
    note: Callable[[str], None]

    @property
    def records(self) -> RecordStore:
        """Lookup of the records."""
        return RecordStore(self.layers, self.work.quick)


def make_missing(context: ReportContext) -> None:
    """Measure missing and outdated records. Each is written when finished, so that an interrupted run resumes.

    Raises:
        DataError: a version was trained on another data set, or has no stored predictions.
        DifferentImagesError: the versions were evaluated on different data.
        ConfigurationError: a record cannot be written.
    """
    _studies(context)
    _exploration(context)
    _latencies(context)
    for model in context.work.models:
        _training_fit(context, model)
        _robustness(context, model)
        _explanations(context, model)
    models = [model.manifest for model in context.work.models]
    if not _is_current(context, Mistakes, *models):
        record_mistakes(context.work, _bar(context, "mistakes"))
    if not _is_current(context, Activations, *models):
        record_activations(context.work, _bar(context, "activations"))


def activations_folder(context: ReportContext) -> Path:
    """Return the folder of the images of activation maximization.

    Raises:
        DataError: the record is missing.
    """
    manifests = [model.manifest for model in context.work.models]
    found = find_report(Activations, manifests, context.layers, quick=context.work.quick)
    if found is None:
        raise DataError("no record of activations: make it with `duet report`")
    return found.path.parent


def _is_current(context: ReportContext, kind: type[AnyVersionRecord], *manifests: Manifest) -> bool:
    """Return whether a readable record exists that was measured with the current settings."""
    names = " and ".join(manifest.reference for manifest in manifests)
    try:
        found = find_report(kind, manifests, context.layers, quick=context.work.quick)
    except DataError as error:
        context.note(f"{error}; measuring it again")
        return False
    if found is None:
        return False
    if isinstance(found.record, Activations) and not _has_images(found.record, found.path.parent):
        # Shipped records come without their images.
        return False
    if isinstance(found.record, Activations) and found.record.class_objective != CLASS_OBJECTIVE:
        context.note(f"the {NAMES[kind]} of {names} maximize another objective: made again")
        return False
    if isinstance(found.record, Explanations) and found.record.target != "predicted":
        context.note(f"the {NAMES[kind]} of {names} explain only one class: measured again")
        return False
    if isinstance(found.record, Robustness) and (found.record.strange is None or found.record.clean.ece is None):
        context.note(f"the {NAMES[kind]} of {names} lacks calibration or out-of-distribution images: measured again")
        return False
    if isinstance(found.record, Explanations) and found.record.settings != settings():
        context.note(f"the {NAMES[kind]} of {names} were measured with other settings: measured again")
        return False
    return True


def _has_images(record: Activations, folder: Path) -> bool:
    return all((folder / image.file).is_file() for model in record.models for image in model.images)


def _latencies(context: ReportContext) -> None:
    """Measure both versions on this machine, unless both were measured on the same machine and are comparable."""
    models = context.work.models
    if all(_is_current(context, Latency, model.manifest) for model in models):
        known = [context.records.find(Latency, model.manifest) for model in models]
        if len({(record.cpu, record.onnxruntime) for record in known}) == 1:
            return
        context.note("the latencies were measured on different machines: measured again on this one")
    for model in models:
        update = _bar(context, f"latency of {model.manifest.reference}")
        update("latency", 0, 1)
        record = measure_latency(model.manifest, model.folder, quick=context.work.quick)
        write_report(_path(context, Latency, model), record)
        update("latency", 1, 1)


def _robustness(context: ReportContext, model: Model) -> None:
    if not _is_current(context, Robustness, model.manifest):
        work, path = context.work, _path(context, Robustness, model)
        cache_path = path.with_suffix(".partial.jsonl")
        record = measure_robustness(
            model.manifest,
            model.folder,
            work.images,
            cache_path,
            threads=work.threads,
            count=QUICK_IMAGES if work.quick else IMAGES,
            progress=_bar(context, f"robustness of {model.manifest.reference}"),
        )
        write_report(path, record)
        cache_path.unlink(missing_ok=True)


def _training_fit(context: ReportContext, model: Model) -> None:
    if not _is_current(context, TrainingFit, model.manifest):
        work, update = context.work, _bar(context, f"training images of {model.manifest.reference}")
        update("training images", 0, 1)
        record = measure_training_fit(model.manifest, model.folder, work.images, threads=work.threads, quick=work.quick)
        write_report(_path(context, TrainingFit, model), record)
        update("training images", 1, 1)


def _explanations(context: ReportContext, model: Model) -> None:
    if not _is_current(context, Explanations, model.manifest):
        record_explanations(context.work, model, None, _bar(context, "explanations"))


def _exploration(context: ReportContext) -> None:
    manifest = context.work.models[0].manifest
    try:
        known = context.records.exploration(manifest)
    except DataError as error:
        context.note(f"{error}; measuring it again")
        known = None
    if known is not None and known.near_test_positions is None:
        context.note(f"the exploration of {known.name} has no positions of near duplicates: made again")
    if known is None or known.near_test_positions is None:
        images = context.work.images
        record = exploration_record(find(images.dataset, images.split, context.progress))
        write_report(report_path(context.work.folder, "exploration", record.name), record)


def _studies(context: ReportContext) -> None:
    """Write the records of studies on the same data. They are rebuilt every time, because this is fast."""
    data = context.work.models[0].manifest.data
    for tuning in tunings(context.home, data.counts["validation"]):
        if tuning.data_digest == data.digest:
            write_report(report_path(context.work.folder, "tuning", tuning.name), tuning)
    for study in augmentation_studies(context.home):
        if study.data_digest == data.digest:
            write_report(report_path(context.work.folder, "augmentation", study.name), study)


def _path(context: ReportContext, kind: type[VersionRecord], model: Model) -> Path:
    return report_path(context.work.folder, NAMES[kind], model.manifest.reference, quick=context.work.quick)


def _bar(context: ReportContext, title: str) -> ProgressCallback:
    task = context.progress.add_task(title, total=None)

    def update(name: str, done: int, of: int) -> None:
        context.progress.update(task, description=f"{title}: {name}", completed=done, total=of)

    return update


def measure_latency(manifest: Manifest, folder: Path, *, quick: bool = False) -> Latency:
    """Measure all graphs of a version on noise images, one at a time and in batches.

    Measures the processor time of the thread, which other work on the machine hardly affects.

    Args:
        manifest: manifest of the version.
        folder: folder of the version.
        quick: measure for a tenth of the time.
    """
    timings = []
    for precision in manifest.calibration:
        for batch in BATCHES:
            seconds_R = _run_times(folder / GRAPHS[precision], manifest, batch, _QUICK_SECONDS if quick else _SECONDS)
            ms = statistic_estimate(lambda drawn_R: float(np.median(drawn_R)), 1000 * seconds_R / batch)
            timings.append(LatencyTiming(precision=precision, batch=batch, ms=ms, runs=len(seconds_R)))
    return Latency(
        model=ReportedModel.of(manifest), cpu=cpu_name(), onnxruntime=runtime_version(), timings=tuple(timings)
    )


def _run_times(graph: Path, manifest: Manifest, batch: int, seconds: float) -> npt.NDArray[np.float64]:
    """Processor time of each run in seconds, float64 [R], after one warm-up run."""
    size = manifest.input
    shape = (batch, size.height, size.width, size.channels)
    inputs = {"images": np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)}
    session = open_session(graph, threads=1)
    session.run(["logits"], inputs)
    times: list[float] = []
    while len(times) < _MIN_RUNS or sum(times) < seconds:
        started = time.thread_time()
        session.run(["logits"], inputs)
        times.append(time.thread_time() - started)
    return np.array(times)

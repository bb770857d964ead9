"""Making the records that a report needs and that are not there yet, or belong to other weights or data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from core.errors import DataError
from core.records.activations import Activations
from core.records.base import write_report
from core.records.explanations import Explanations
from core.records.latency import Latency
from core.records.lookup import NAMES, AnyVersionRecord, VersionRecord, find_report
from core.records.mistakes import Mistakes
from core.records.paths import report_path
from core.records.robustness import Robustness
from core.repository.manifest import Manifest
from training.analysis.explore.explore import find
from training.analysis.interpret.activations import Model
from training.analysis.interpret.commands import Work, examine, excite, explain
from training.analysis.interpret.evaluate import settings
from training.analysis.interpret.maximize import CLASS_OBJECTIVE
from training.analysis.report.collect import RecordStore
from training.analysis.report.exploration import exploration_record
from training.analysis.report.latency import measure_latency
from training.analysis.report.studies import augmentation_studies, tunings
from training.analysis.robustness.measure import IMAGES, QUICK_IMAGES, measure_robustness

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ReportContext:
    """What records are made with.

    Attributes:
        work: both versions, the images, and the folder that new records go to.
        layers: folders of records; the first is that of `work`.
        home: DUET_HOME, which holds studies.
        progress: shows a bar for each record that is made.
        note: is told what is made anew and why.
    """

    work: Work
    layers: Sequence[Path]
    home: Path
    progress: Progress
    note: Callable[[str], None]

    @property
    def records(self) -> RecordStore:
        """Where the records are found afterwards."""
        return RecordStore(self.layers, self.work.quick)


def make_missing(context: ReportContext) -> None:
    """Make what is not there; every record is written as soon as it is made, so that a run that was stopped goes on.

    Raises:
        DataError: a version was made from other images than those at hand, or has no stored predictions.
        DifferentImagesError: the two were evaluated on different data.
        ConfigurationError: the disk refused.
    """
    _studies(context)
    _exploration(context)
    _latencies(context)
    for model in context.work.models:
        _robustness(context, model)
        _explanations(context, model)
    models = [model.manifest for model in context.work.models]
    if not _there(context, Mistakes, *models):
        examine(context.work, _bar(context, "mistakes"))
    if not _there(context, Activations, *models):
        excite(context.work, _bar(context, "activations"))


def activations_folder(context: ReportContext) -> Path:
    """Where the images of the activations' record lie."""
    manifests = [model.manifest for model in context.work.models]
    found = find_report(Activations, manifests, context.layers, quick=context.work.quick)
    if found is None:
        raise DataError("no record of activations: make it with `duet report`")
    return found.path.parent


def _there(context: ReportContext, kind: type[AnyVersionRecord], *manifests: Manifest) -> bool:
    names = " and ".join(manifest.reference for manifest in manifests)
    try:
        found = find_report(kind, manifests, context.layers, quick=context.work.quick)
    except DataError as error:
        context.note(f"{error}, which is done now")
        return False
    if found is None:
        return False
    if isinstance(found.record, Activations) and not _has_images(found.record, found.path.parent):
        # Those that ship come without the images they speak of.
        return False
    if isinstance(found.record, Activations) and found.record.class_objective != CLASS_OBJECTIVE:
        context.note(f"the {NAMES[kind]} of {names} were made to raise another figure: made again")
        return False
    if isinstance(found.record, Explanations) and found.record.target != "predicted":
        context.note(f"the {NAMES[kind]} of {names} are of one class alone: made again")
        return False
    if isinstance(found.record, Explanations) and found.record.settings != settings():
        context.note(f"the {NAMES[kind]} of {names} were measured in another way: made again")
        return False
    return True


def _has_images(record: Activations, folder: Path) -> bool:
    return all((folder / image.file).is_file() for model in record.models for image in model.images)


def _latencies(context: ReportContext) -> None:
    """Of both on this machine, unless they were measured on one and the same: else they could not be compared."""
    models = context.work.models
    if all(_there(context, Latency, model.manifest) for model in models):
        known = [context.records.find(Latency, model.manifest) for model in models]
        if len({(record.cpu, record.onnxruntime) for record in known}) == 1:
            return
        context.note("the latency of the two was measured on different machines: measured again on this one")
    for model in models:
        tell = _bar(context, f"latency of {model.manifest.reference}")
        tell("latency", 0, 1)
        record = measure_latency(model.manifest, model.folder, quick=context.work.quick)
        write_report(_path(context, Latency, model), record)
        tell("latency", 1, 1)


def _robustness(context: ReportContext, model: Model) -> None:
    if not _there(context, Robustness, model.manifest):
        work, path = context.work, _path(context, Robustness, model)
        memory = path.with_suffix(".partial.jsonl")
        record = measure_robustness(
            model.manifest,
            model.folder,
            work.images,
            memory,
            threads=work.threads,
            count=QUICK_IMAGES if work.quick else IMAGES,
            progress=_bar(context, f"robustness of {model.manifest.reference}"),
        )
        write_report(path, record)
        memory.unlink(missing_ok=True)


def _explanations(context: ReportContext, model: Model) -> None:
    if not _there(context, Explanations, model.manifest):
        explain(context.work, model, None, _bar(context, "explanations"))


def _exploration(context: ReportContext) -> None:
    manifest = context.work.models[0].manifest
    try:
        known = context.records.exploration(manifest)
    except DataError as error:
        context.note(f"{error}, which is done now")
        known = None
    if known is None:
        images = context.work.images
        record = exploration_record(find(images.dataset, images.split, context.progress))
        write_report(report_path(context.work.folder, "exploration", record.name), record)


def _studies(context: ReportContext) -> None:
    """Records of studies on the same data; made anew every time, which takes a moment and keeps them up to date."""
    data = context.work.models[0].manifest.data
    for tuning in tunings(context.home, data.counts["validation"]):
        if tuning.data_digest == data.digest:
            write_report(report_path(context.work.folder, "tuning", tuning.name), tuning)
    for study in augmentation_studies(context.home):
        if study.data_digest == data.digest:
            write_report(report_path(context.work.folder, "augmentation", study.name), study)


def _path(context: ReportContext, kind: type[VersionRecord], model: Model) -> Path:
    return report_path(context.work.folder, NAMES[kind], model.manifest.reference, quick=context.work.quick)


def _bar(context: ReportContext, title: str) -> Tell:
    task = context.progress.add_task(title, total=None)

    def tell(name: str, done: int, of: int) -> None:
        context.progress.update(task, description=f"{title}: {name}", completed=done, total=of)

    return tell

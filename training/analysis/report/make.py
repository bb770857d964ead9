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
from training.analysis.interpret.maximise import CLASS_OBJECTIVE
from training.analysis.report.collect import Shelf
from training.analysis.report.exploration import exploration_record
from training.analysis.report.latency import measure_latency
from training.analysis.report.studies import augmentation_studies, tunings
from training.analysis.robustness.measure import IMAGES, QUICK_IMAGES, measure_robustness

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Workshop:
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
    def shelf(self) -> Shelf:
        """Where the records are found afterwards."""
        return Shelf(self.layers, self.work.quick)


def make_missing(workshop: Workshop) -> None:
    """Make what is not there; every record is written as soon as it is made, so that a run that was stopped goes on.

    Raises:
        DataError: a version was made from other images than those at hand, or has no stored predictions.
        DifferentImagesError: the two were evaluated on different data.
        ConfigurationError: the disk refused.
    """
    _studies(workshop)
    _exploration(workshop)
    _latencies(workshop)
    for model in workshop.work.models:
        _robustness(workshop, model)
        _explanations(workshop, model)
    models = [model.manifest for model in workshop.work.models]
    if not _there(workshop, Mistakes, *models):
        examine(workshop.work, _bar(workshop, "mistakes"))
    if not _there(workshop, Activations, *models):
        excite(workshop.work, _bar(workshop, "activations"))


def activations_folder(workshop: Workshop) -> Path:
    """Where the images of the activations' record lie."""
    manifests = [model.manifest for model in workshop.work.models]
    found = find_report(Activations, manifests, workshop.layers, quick=workshop.work.quick)
    if found is None:
        raise DataError("no record of activations: make it with `duet report`")
    return found.path.parent


def _there(workshop: Workshop, kind: type[AnyVersionRecord], *manifests: Manifest) -> bool:
    names = " and ".join(manifest.reference for manifest in manifests)
    try:
        found = find_report(kind, manifests, workshop.layers, quick=workshop.work.quick)
    except DataError as error:
        workshop.note(f"{error}, which is done now")
        return False
    if found is None:
        return False
    if isinstance(found.record, Activations) and not _has_images(found.record, found.path.parent):
        # Those that ship come without the images they speak of.
        return False
    if isinstance(found.record, Activations) and found.record.class_objective != CLASS_OBJECTIVE:
        workshop.note(f"the {NAMES[kind]} of {names} were made to raise another figure: made again")
        return False
    if isinstance(found.record, Explanations) and found.record.target != "predicted":
        workshop.note(f"the {NAMES[kind]} of {names} are of one class alone: made again")
        return False
    if isinstance(found.record, Explanations) and found.record.settings != settings():
        workshop.note(f"the {NAMES[kind]} of {names} were measured in another way: made again")
        return False
    return True


def _has_images(record: Activations, folder: Path) -> bool:
    return all((folder / image.file).is_file() for model in record.models for image in model.images)


def _latencies(workshop: Workshop) -> None:
    """Of both on this machine, unless they were measured on one and the same: else they could not be compared."""
    models = workshop.work.models
    if all(_there(workshop, Latency, model.manifest) for model in models):
        known = [workshop.shelf.find(Latency, model.manifest) for model in models]
        if len({(record.cpu, record.onnxruntime) for record in known}) == 1:
            return
        workshop.note("the latency of the two was measured on different machines: measured again on this one")
    for model in models:
        tell = _bar(workshop, f"latency of {model.manifest.reference}")
        tell("latency", 0, 1)
        record = measure_latency(model.manifest, model.folder, quick=workshop.work.quick)
        write_report(_path(workshop, Latency, model), record)
        tell("latency", 1, 1)


def _robustness(workshop: Workshop, model: Model) -> None:
    if not _there(workshop, Robustness, model.manifest):
        work, path = workshop.work, _path(workshop, Robustness, model)
        memory = path.with_suffix(".partial.jsonl")
        record = measure_robustness(
            model.manifest,
            model.folder,
            work.images,
            memory,
            threads=work.threads,
            count=QUICK_IMAGES if work.quick else IMAGES,
            progress=_bar(workshop, f"robustness of {model.manifest.reference}"),
        )
        write_report(path, record)
        memory.unlink(missing_ok=True)


def _explanations(workshop: Workshop, model: Model) -> None:
    if not _there(workshop, Explanations, model.manifest):
        explain(workshop.work, model, None, _bar(workshop, "explanations"))


def _exploration(workshop: Workshop) -> None:
    manifest = workshop.work.models[0].manifest
    try:
        known = workshop.shelf.exploration(manifest)
    except DataError as error:
        workshop.note(f"{error}, which is done now")
        known = None
    if known is None:
        images = workshop.work.images
        record = exploration_record(find(images.dataset, images.split, workshop.progress))
        write_report(report_path(workshop.work.folder, "exploration", record.name), record)


def _studies(workshop: Workshop) -> None:
    """Records of studies on the same data; made anew every time, which takes a moment and keeps them up to date."""
    data = workshop.work.models[0].manifest.data
    for tuning in tunings(workshop.home, data.counts["validation"]):
        if tuning.data_digest == data.digest:
            write_report(report_path(workshop.work.folder, "tuning", tuning.name), tuning)
    for study in augmentation_studies(workshop.home):
        if study.data_digest == data.digest:
            write_report(report_path(workshop.work.folder, "augmentation", study.name), study)


def _path(workshop: Workshop, kind: type[VersionRecord], model: Model) -> Path:
    return report_path(workshop.work.folder, NAMES[kind], model.manifest.reference, quick=workshop.work.quick)


def _bar(workshop: Workshop, title: str) -> Tell:
    task = workshop.progress.add_task(title, total=None)

    def tell(name: str, done: int, of: int) -> None:
        workshop.progress.update(task, description=f"{title}: {name}", completed=done, total=of)

    return tell

"""Record lookup: finds the record of given versions in both layers, checked by the digest of their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Generic, Literal, TypeVar

from core.files.home import shipped_models
from core.records.base import ReportedModel, read_report
from core.records.corrupted_holdout import CorruptedHoldout
from core.records.explanations import Activations, Explanations
from core.records.label_free import LabelFree
from core.records.latency import Latency
from core.records.mistakes import Mistakes
from core.records.robustness import Robustness
from core.records.training_fit import TrainingFit
from core.repository.manifest import Manifest

REPORTS_NAME = "reports"
FIGURES_NAME = "figures"
ReportName = Literal[
    "robustness",
    "label_free",
    "corrupted_holdout",
    "explanations",
    "activations",
    "mistakes",
    "latency",
    "training_fit",
    "exploration",
    "tuning",
    "augmentation",
]


def report_layers(home: Path) -> tuple[Path, Path]:
    """Folders of records in order of precedence: in `home` (DUET_HOME), then shipped."""
    return home / REPORTS_NAME, shipped_models() / REPORTS_NAME


def report_path(folder: Path, what: ReportName, *references: str, quick: bool = False) -> Path:
    """File of a record; `folder` is that of all records, such as `reports` under DUET_HOME.

    References are those of the one or two versions, such as cnn@2, or the name of a data set or study. Records of quick
    runs on few images have the suffix `.quick`.
    """
    return folder / what / f"{'-'.join(references)}{'.quick' if quick else ''}.json"


def figures_folder(folder: Path, what: ReportName) -> Path:
    """Folder of the figures of this kind of record."""
    return folder / what / FIGURES_NAME


VersionRecord = (
    Robustness | CorruptedHoldout | Explanations | Latency | TrainingFit | Activations | Mistakes | LabelFree
)
AnyVersionRecord = TypeVar(
    "AnyVersionRecord",
    Robustness,
    CorruptedHoldout,
    Explanations,
    Latency,
    TrainingFit,
    Activations,
    Mistakes,
    LabelFree,
)

NAMES: Mapping[type[VersionRecord], ReportName] = MappingProxyType(
    {
        Robustness: "robustness",
        CorruptedHoldout: "corrupted_holdout",
        Explanations: "explanations",
        Latency: "latency",
        TrainingFit: "training_fit",
        Activations: "activations",
        Mistakes: "mistakes",
        LabelFree: "label_free",
    }
)
"""Name of each kind of record in file names."""


@dataclass(frozen=True)
class Found(Generic[AnyVersionRecord]):
    """A record and its file."""

    record: AnyVersionRecord
    path: Path


def find_report(
    kind: type[AnyVersionRecord], manifests: Sequence[Manifest], layers: Sequence[Path], *, quick: bool = False
) -> Found[AnyVersionRecord] | None:
    """Find the first record of these one or two versions, in the order of the record, matched by weights and data set.

    `layers` are from `report_layers`. With `quick`, the record of a quick run on few images is found instead.

    Raises:
        DataError: the file is not a valid record.
    """
    for layer in layers:
        path = report_path(layer, NAMES[kind], *(manifest.reference for manifest in manifests), quick=quick)
        if path.is_file():
            record = read_report(path, kind)
            if belongs(record, manifests):
                return Found(record, path)
    return None


def belongs(record: VersionRecord, manifests: Sequence[Manifest]) -> bool:
    """True if a record is of these versions and of their data set."""
    same_data = isinstance(record, Latency) or all(record.data.digest == each.data.digest for each in manifests)
    return same_data and versions_of(record) == tuple(ReportedModel.of(each) for each in manifests)


def versions_of(record: VersionRecord) -> tuple[ReportedModel, ...]:
    """The versions of a record."""
    if isinstance(record, Activations | Mistakes):
        return tuple(each.model for each in record.models)
    if isinstance(record, LabelFree):
        return tuple(each.model for each in record.fits)
    return (record.model,)

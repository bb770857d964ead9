"""Finding the record of the very versions that one asks about, in either layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar

from core.records.activations import Activations
from core.records.base import ReportedModel, read_report
from core.records.corrupted_holdout import CorruptedHoldout
from core.records.explanations import Explanations
from core.records.latency import Latency
from core.records.mistakes import Mistakes
from core.records.paths import ReportName, report_path
from core.records.robustness import Robustness
from core.repository.manifest import Manifest

VersionRecord = Robustness | CorruptedHoldout | Explanations | Latency | Activations | Mistakes
AnyVersionRecord = TypeVar(
    "AnyVersionRecord", Robustness, CorruptedHoldout, Explanations, Latency, Activations, Mistakes
)

NAMES: Mapping[type[VersionRecord], ReportName] = MappingProxyType(
    {
        Robustness: "robustness",
        CorruptedHoldout: "corrupted_holdout",
        Explanations: "explanations",
        Latency: "latency",
        Activations: "activations",
        Mistakes: "mistakes",
    }
)
"""What each kind of record is called in the names of files."""


@dataclass(frozen=True)
class Found(Generic[AnyVersionRecord]):
    """A record, and the file that holds it."""

    record: AnyVersionRecord
    path: Path


def find_report(
    kind: type[AnyVersionRecord], manifests: Sequence[Manifest], layers: Sequence[Path], *, quick: bool = False
) -> Found[AnyVersionRecord] | None:
    """The first record of exactly these versions, by their weights, on the data that they were made from.

    Args:
        kind: of record.
        manifests: of the one or two versions, in the order of the record.
        layers: from `report_layers`.
        quick: whether to look for the record of a quick look instead of the whole one.

    Raises:
        DataError: a file of that name is not such a record.
    """
    for layer in layers:
        path = report_path(layer, NAMES[kind], *(manifest.reference for manifest in manifests), quick=quick)
        if path.is_file():
            record = read_report(path, kind)
            if belongs(record, manifests):
                return Found(record, path)
    return None


def belongs(record: VersionRecord, manifests: Sequence[Manifest]) -> bool:
    """Whether a record speaks of these versions, and of images of the data set that they were made from."""
    same_data = isinstance(record, Latency) or all(record.data.digest == each.data.digest for each in manifests)
    return same_data and versions_of(record) == tuple(ReportedModel.of(each) for each in manifests)


def versions_of(record: VersionRecord) -> tuple[ReportedModel, ...]:
    """The versions that a record speaks of."""
    if isinstance(record, Activations | Mistakes):
        return tuple(each.model for each in record.models)
    return (record.model,)

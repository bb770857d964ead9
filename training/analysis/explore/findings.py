"""Findings of `duet explore`: the contents of explore.json."""

from __future__ import annotations

from dataclasses import dataclass

from training.analysis.explore.duplicates import Duplicates
from training.analysis.explore.statistics import Statistics


@dataclass(frozen=True)
class Findings:
    """Contents of explore.json.

    Attributes:
        schema_version: version of this structure.
        name: name of the data set.
        class_names: class names in label order.
        licence: terms of use and provenance.
        digest: sha256 of the data set, `ImageDataset.digest`.
        split_digest: sha256 of the split of its training images, `Split.digest`.
        statistics: counts, values, brightness and contrast.
        duplicates: exact and near duplicates.
    """

    schema_version: int
    name: str
    class_names: tuple[str, ...]
    licence: str
    digest: str
    split_digest: str
    statistics: Statistics
    duplicates: Duplicates

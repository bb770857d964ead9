"""Findings of two versions, collected from stored predictions and records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from core.comparison.evaluated import current_scores
from core.comparison.pairwise import Pairwise
from core.errors import DataError
from core.jobs.run_folder import HISTORY_NAME
from core.records.base import read_report
from core.records.explanations import Activations, Explanations, ModelActivations
from core.records.latency import Latency
from core.records.lookup import AnyVersionRecord, ReportName, find_report, report_path
from core.records.mistakes import Mistakes
from core.records.robustness import Robustness, compare_robustness
from core.records.studies import AugmentationStudy, Exploration, Tuning
from core.records.training_fit import TrainingFit
from core.repository.manifest import Manifest
from core.statistics.comparison import sign_flip_p
from core.statistics.intervals import ConfidenceInterval, mean_estimates, proportion, statistic_estimate
from training.analysis.mistakes.find import VersionPredictions, compare_versions
from training.analysis.report.findings import Agreement, DuplicateEffect, Findings, Transfer, VersionResults
from training.run.checkpoint import EpochRecord

AnyStudy = TypeVar("AnyStudy", Tuning, AugmentationStudy)


@dataclass(frozen=True)
class RecordStore:
    """Lookup of records in several folders.

    Attributes:
        layers: folders of records, in order of precedence.
        quick: use records of quick runs.
    """

    layers: Sequence[Path]
    quick: bool

    def find(self, kind: type[AnyVersionRecord], *manifests: Manifest) -> AnyVersionRecord:
        """Return the record of these versions.

        Raises:
            DataError: the record is missing; the message has the command that makes it.
        """
        found = self.find_optional(kind, *manifests)
        if found is None:
            names = " ".join(manifest.reference for manifest in manifests)
            raise DataError(
                f"no {kind.__name__.lower()} of {names} with these weights and data under "
                f"{' or '.join(map(str, self.layers))}: make it with `duet report`"
            )
        return found

    def find_optional(self, kind: type[AnyVersionRecord], *manifests: Manifest) -> AnyVersionRecord | None:
        """Return the record of these versions, or None if there is none."""
        found = find_report(kind, manifests, self.layers, quick=self.quick)
        return None if found is None else found.record

    def exploration(self, manifest: Manifest) -> Exploration | None:
        """Return the record of the data set and split of a version, or None if there is none."""
        data = manifest.data
        for layer in self.layers:
            path = report_path(layer, "exploration", data.name)
            if path.is_file():
                record = read_report(path, Exploration)
                if (record.digest, record.split_digest) == (data.digest, data.split_digest):
                    return record
        return None

    def studies(self, kind: type[AnyStudy], what: ReportName, manifest: Manifest) -> list[AnyStudy]:
        """Return the records of studies on the data of a version, sorted by name. The first layer takes precedence."""
        paths = {path.name: path for layer in reversed(self.layers) for path in (layer / what).glob("*.json")}
        found = [read_report(path, kind) for _, path in sorted(paths.items())]
        return [each for each in found if each.data_digest == manifest.data.digest]


def collect(first: VersionPredictions, second: VersionPredictions, records: RecordStore) -> Findings:
    """Collect the findings of two versions.

    Raises:
        DifferentImagesError: the versions were evaluated on different data; the message has both digests.
        DataError: a record is missing or damaged.
    """
    pairwise = compare_versions(first, second)
    one, other = first.manifest, second.manifest
    activations = records.find(Activations, one, other)
    mistakes = records.find(Mistakes, one, other)
    exploration = records.exploration(one)
    if exploration is None:
        raise DataError(f"no record of the data set {one.data.name}: make it with `duet report`")
    sides = [
        _side(
            version,
            number,
            pairwise,
            activations,
            mistakes,
            records,
            exploration.near_test_positions,
            same_family=one.family == other.family,
        )
        for number, version in enumerate((first, second))
    ]
    return Findings(
        first=sides[0],
        second=sides[1],
        exploration=exploration,
        pairwise=pairwise,
        robustness=compare_robustness(sides[0].robustness, sides[1].robustness),
        activations=activations,
        mistakes=mistakes,
        together=together(first, second),
        transfer=class_transfer(activations),
        tunings=tuple(records.studies(Tuning, "tuning", one)),
        augmentation=tuple(records.studies(AugmentationStudy, "augmentation", one)),
        quick=records.quick,
    )


def class_transfer(activations: Activations) -> Transfer:
    """Compare the shares of generated images that the other version recognizes, with classes as independent units."""
    shares_2K = np.array([_shares_by_class(each) for each in activations.models])
    first, second, difference = mean_estimates(np.stack([*shares_2K, shares_2K[0] - shares_2K[1]], axis=1))
    differences_K: list[float] = (shares_2K[0] - shares_2K[1]).tolist()
    return Transfer(first, second, difference, sign_flip_p(differences_K))


def _shares_by_class(made: ModelActivations) -> list[float]:
    """Share of the generated images of each class that the other version recognizes, in order of the class names."""
    recognized: dict[str, list[bool]] = {}
    for image in made.images:
        if image.kind == "class":
            recognized.setdefault(image.name, []).append(image.other_label == image.name)
    return [float(np.mean(recognized[name])) for name in sorted(recognized)]


def together(first: VersionPredictions, second: VersionPredictions) -> Agreement:
    """Compute the accuracy on the test images where both versions agree, and where the second one is confident."""
    labels_N, one_N, other_N = first.predictions.labels, first.predictions.predicted(), second.predictions.predicted()
    agree_N = one_N == other_N
    confidence_N = second.predictions.probabilities["fp32"].max(axis=1)
    surest_N = np.argsort(-confidence_N, kind="stable")[: agree_N.sum()]
    return Agreement(
        right_when_agreed=_share((one_N == labels_N)[agree_N]),
        second_right_when_sure=_share((other_N == labels_N)[surest_N]),
    )


def read_history(folder: Path) -> tuple[EpochRecord, ...]:
    """Read history.jsonl of a version."""
    lines = (folder / HISTORY_NAME).read_text(encoding="utf-8").splitlines()
    return tuple(EpochRecord(**json.loads(line)) for line in lines)


def _side(
    version: VersionPredictions,
    number: int,
    pairwise: Pairwise,
    activations: Activations,
    mistakes: Mistakes,
    records: RecordStore,
    near_test_positions: Sequence[int] | None,
    *,
    same_family: bool,
) -> VersionResults:
    manifest = version.manifest
    probability = (pairwise.first, pairwise.second)[number]
    return VersionResults(
        name=manifest.reference if same_family else manifest.family,
        manifest=manifest,
        scores=current_scores(
            version.evaluation.scores["fp32"], manifest, probability, images=version.evaluation.data.images
        ),
        probability=probability,
        history=read_history(version.folder),
        robustness=records.find(Robustness, manifest),
        explanations=records.find(Explanations, manifest),
        activations=activations.models[number],
        mistakes=mistakes.models[number],
        surest_mistakes=mistakes.confident[number],
        latency=records.find(Latency, manifest),
        served_bytes=manifest.served_bytes,
        training_fit=records.find_optional(TrainingFit, manifest),
        duplicates=None if near_test_positions is None else duplicate_effect(version, near_test_positions),
    )


def duplicate_effect(version: VersionPredictions, near_test_positions: Sequence[int]) -> DuplicateEffect | None:
    """Accuracy of the stored predictions with and without the test images at these positions; None if none."""
    right_N = version.predictions.predicted() == version.predictions.labels
    near_N = np.isin(version.predictions.index, near_test_positions)
    if not near_N.any() or near_N.all():
        return None

    def gain(right_N: npt.NDArray[np.bool_], near_N: npt.NDArray[np.bool_]) -> float:
        return float(right_N.mean() - right_N[~near_N].mean())

    return DuplicateEffect(
        on_duplicates=proportion(int(right_N[near_N].sum()), int(near_N.sum())),
        without=proportion(int(right_N[~near_N].sum()), int((~near_N).sum())),
        difference=statistic_estimate(gain, right_N, near_N),
    )


def _share(right_N: npt.NDArray[np.bool_]) -> ConfidenceInterval | None:
    return proportion(int(right_N.sum()), len(right_N)) if len(right_N) else None

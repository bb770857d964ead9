"""Comparison of any two versions on the same test images: predictions, records, and a verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from core.comparison.comparable import comparable_versions
from core.comparison.evaluated import EvaluatedVersion, current_scores
from core.comparison.pairwise import Pairwise, ProbabilityScores, compare_predictions
from core.comparison.schemas import EvaluatedModel, MetricsComparison
from core.comparison.significance import significance
from core.errors import DataError, DifferentImagesError
from core.records.latency import Latency
from core.records.lookup import AnyVersionRecord, find_report
from core.records.robustness import Robustness, RobustnessComparison, side_by_side
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository

_CACHED = 32


class VersionComparer:
    """Compares versions of one repository.

    The bootstrap takes some tenths of a second. Versions never change, so results are cached by file hashes.
    """

    def __init__(self, repository: ModelRepository, layers: Sequence[Path]) -> None:
        """`layers` are the folders of records in order of precedence, see `core.records.lookup`."""
        self._repository = repository
        self._layers = tuple(layers)
        self._pairwise = lru_cache(_CACHED)(_pairwise)
        self._side_by_side = lru_cache(_CACHED)(side_by_side)

    def compare(self, first: EvaluatedVersion, second: EvaluatedVersion) -> MetricsComparison:
        """Compare the test scores of two versions, paired by image, with significance tests.

        The two may be of one family, or the same version.

        Raises:
            NotEvaluatedError: the predictions of a version cannot be read, or are of other images than the other's.
            DifferentImagesError: the two have different classes, or were evaluated on different images; the message
                names versions that each can be compared with.
        """
        try:
            pairwise = self._pairwise(first, second)
        except DifferentImagesError as error:
            comparable = {
                version.manifest.reference: comparable_versions(self._repository, version)
                for version in (first, second)
            }
            raise DifferentImagesError(error.digests, classes=error.classes, comparable=comparable) from None
        notes: list[str] = []
        robustness = self._robustness(first.manifest, second.manifest, notes)
        return MetricsComparison(
            data=pairwise.data,
            class_names=first.evaluation.class_names,
            significance=significance(first.manifest.reference, second.manifest.reference, pairwise),
            first=self._side(first, pairwise.first, notes),
            second=self._side(second, pairwise.second, notes),
            paired=pairwise.paired,
            log_loss_difference=pairwise.log_loss_difference,
            brier_difference=pairwise.brier_difference,
            ece_difference=pairwise.ece_difference,
            per_class=pairwise.per_class,
            robustness=robustness,
            notes=tuple(dict.fromkeys(notes)),
        )

    def _robustness(self, first: Manifest, second: Manifest, notes: list[str]) -> RobustnessComparison | None:
        one, other = (self._robustness_of(manifest, notes) for manifest in (first, second))
        if one is None or other is None:
            return None
        try:
            return self._side_by_side(one, other)
        except DataError as error:
            notes.append(f"robustness: {error}")
            return None

    def _robustness_of(self, manifest: Manifest, notes: list[str]) -> Robustness | None:
        before = len(notes)
        record = self._recorded(Robustness, manifest, notes)
        if record is None and len(notes) == before:
            named = manifest.reference
            notes.append(f"the robustness of {named} is not measured yet: run `duet evaluate {named} --robustness`")
        return record

    def _recorded(self, kind: type[AnyVersionRecord], manifest: Manifest, notes: list[str]) -> AnyVersionRecord | None:
        try:
            found = find_report(kind, [manifest], self._layers)
        except DataError as error:
            note = str(error)
            for layer in self._layers:  # notes are public, local paths are not
                note = note.replace(f"{layer}/", "")
            notes.append(note)
            return None
        return found.record if found else None

    def _side(self, version: EvaluatedVersion, probability: ProbabilityScores, notes: list[str]) -> EvaluatedModel:
        manifest = version.manifest
        return EvaluatedModel(
            model=manifest.family,
            version=manifest.version,
            precision="fp32",
            champion=self._repository.champion(manifest.family) == manifest.version,
            architecture=manifest.architecture,
            recipe=manifest.recipe,
            created_at=manifest.created_at,
            scores=current_scores(
                version.evaluation.scores["fp32"], manifest, probability, images=version.evaluation.data.images
            ),
            probability=probability,
            cost=manifest.cost,
            environment=manifest.environment,
            files={name: record.bytes for name, record in sorted(manifest.files.items())},
            served_bytes=manifest.served_bytes,
            quantization=manifest.quantization,
            latency=self._recorded(Latency, manifest, notes),
        )


def _pairwise(one: EvaluatedVersion, other: EvaluatedVersion) -> Pairwise:
    sides = one.evaluation, other.evaluation
    data, names = (sides[0].data, sides[1].data), (sides[0].class_names, sides[1].class_names)
    references = one.manifest.reference, other.manifest.reference
    return compare_predictions(references, data, names, (one.predictions(), other.predictions()))

"""Compares two versions by what was stored when they were evaluated: read -> check -> compare."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from core.api import EvaluatedModel, MetricsComparison
from core.errors import DataError, explain
from core.evaluation import EVALUATION_NAME, Evaluation, read_evaluation
from core.integrity import file_problems
from core.manifest import Manifest
from core.predictions import PREDICTIONS_NAME, SplitPredictions, load_predictions
from core.repository import ModelRepository
from core.statistics.comparison import compare_paired
from service.catalogue import Catalogue, Reference
from service.errors import DifferentDataError, NoEvaluationError, VersionRefusedError


@dataclass(frozen=True)
class _Evaluated:
    manifest: Manifest
    evaluation: Evaluation
    answers: SplitPredictions


def compare_metrics(catalogue: Catalogue, first: Reference, second: Reference) -> MetricsComparison:
    """Both versions' test scores side by side, and their difference image by image. Blocks to read files.

    Raises:
        UnknownModelError, UnknownModelVersionError: there is no such version.
        VersionRefusedError: its stored evaluation is not what its manifest says.
        NoEvaluationError: it has none.
        DifferentDataError: the two were evaluated on different images.
    """
    one, other = (_read(catalogue.repository, catalogue.resolve(reference)) for reference in (first, second))
    _require_same_images(one, other)
    return MetricsComparison(
        data=one.evaluation.data,
        class_names=one.evaluation.class_names,
        first=_side(one),
        second=_side(other),
        paired=compare_paired(one.answers.labels, one.answers.predicted(), other.answers.predicted()),
    )


def _read(repository: ModelRepository, manifest: Manifest) -> _Evaluated:
    folder = repository.folder(manifest.family, manifest.version)
    _verify(folder, manifest)
    try:
        return _Evaluated(manifest, read_evaluation(folder), load_predictions(folder, "test"))
    except ValidationError as error:
        raise NoEvaluationError(f"{manifest.reference}: {EVALUATION_NAME}: {explain(error)}") from error
    except (DataError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise NoEvaluationError(f"{manifest.reference}: {PREDICTIONS_NAME}: {error}") from error


def _verify(folder: Path, manifest: Manifest) -> None:
    """Hash the two files that are read here; the others are the engine's business."""
    for name in (EVALUATION_NAME, PREDICTIONS_NAME):
        if name not in manifest.files:
            raise NoEvaluationError(f"{manifest.reference} has no {name}; publish the version again with `duet export`")
    read = {name: manifest.files[name] for name in (EVALUATION_NAME, PREDICTIONS_NAME)}
    problems = file_problems(folder, manifest.model_copy(update={"files": read}))
    if problems:
        reason = f"{manifest.reference}: {'; '.join(problems)}"
        raise VersionRefusedError(manifest.family, manifest.version, reason)


def _require_same_images(one: _Evaluated, other: _Evaluated) -> None:
    if one.evaluation.data != other.evaluation.data or one.evaluation.class_names != other.evaluation.class_names:
        raise DifferentDataError({side.manifest.reference: side.evaluation.data.digest for side in (one, other)})
    if not np.array_equal(one.answers.index, other.answers.index) or not np.array_equal(
        one.answers.labels, other.answers.labels
    ):
        raise NoEvaluationError(
            f"the stored predictions of {one.manifest.reference} and {other.manifest.reference} "
            "are not of the same images; publish both again with `duet export`"
        )


def _side(evaluated: _Evaluated) -> EvaluatedModel:
    return EvaluatedModel(
        model=evaluated.manifest.family,
        version=evaluated.manifest.version,
        precision="fp32",
        scores=evaluated.evaluation.scores["fp32"],
        cost=evaluated.manifest.cost,
    )

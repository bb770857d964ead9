"""Evaluated version: the published evaluation and test predictions of a version, for comparisons."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from core.comparison.pairwise import ProbabilityScores
from core.errors import CorruptVersionError, DataError, NotEvaluatedError, explain
from core.repository.evaluation import EVALUATION_NAME, Evaluation, Scores, read_evaluation
from core.repository.integrity import file_problems
from core.repository.manifest import Manifest
from core.repository.predictions import PREDICTIONS_NAME, SplitPredictions, load_predictions
from core.repository.repository import ModelRepository
from core.statistics.conformal import coverage_band
from core.statistics.energy import extreme_area


@dataclass(frozen=True)
class EvaluatedVersion:
    """A version with an intact evaluation; instances are equal if folder and digests are.

    `digests` are the sha256 of the evaluation and of the predictions.
    """

    folder: Path
    digests: tuple[str, str]
    manifest: Manifest = field(compare=False)
    evaluation: Evaluation = field(compare=False)

    def predictions(self) -> SplitPredictions:
        """Read the predictions for the test images, in fp32 at least.

        Raises:
            NotEvaluatedError: they cannot be read, or do not match the images of the evaluation.
        """
        try:
            predictions = load_predictions(self.folder, "test")
            found = predictions.probabilities["fp32"].shape
        except (DataError, KeyError) as error:
            raise NotEvaluatedError(f"{self.manifest.reference}: {PREDICTIONS_NAME}: {error}") from error
        expected = (self.evaluation.data.images, len(self.evaluation.class_names))
        if found != expected or len(predictions.labels) != expected[0]:
            raise NotEvaluatedError(
                f"{self.manifest.reference}: {PREDICTIONS_NAME}: probabilities {found} instead of {expected}: publish "
                "the version again with `duet export`"
            )
        return predictions


def read_evaluated(repository: ModelRepository, manifest: Manifest) -> EvaluatedVersion:
    """Verify and read the evaluation of a version; the predictions are verified but read later.

    Raises:
        NotEvaluatedError: the version has no evaluation or predictions.
        CorruptVersionError: these files do not match the manifest.
        RepositoryError: the version does not exist any more.
    """
    folder = repository.folder(manifest.family, manifest.version)
    for name in (EVALUATION_NAME, PREDICTIONS_NAME):
        if name not in manifest.files:
            raise NotEvaluatedError(f"{manifest.reference} has no {name}: publish the version again with `duet export`")
    read = {name: manifest.files[name] for name in (EVALUATION_NAME, PREDICTIONS_NAME)}
    problems = file_problems(folder, manifest.model_copy(update={"files": read}))
    if problems:
        raise CorruptVersionError(f"{manifest.reference}: {'; '.join(problems)}")
    try:
        evaluation = read_evaluation(folder)
    except ValidationError as error:
        raise NotEvaluatedError(f"{manifest.reference}: {EVALUATION_NAME}: {explain(error)}") from error
    if "fp32" not in evaluation.scores:
        raise NotEvaluatedError(f"{manifest.reference}: {EVALUATION_NAME} has no scores in fp32")
    digests = manifest.files[EVALUATION_NAME].sha256, manifest.files[PREDICTIONS_NAME].sha256
    return EvaluatedVersion(folder, digests, manifest, evaluation)


def current_scores(scores: Scores, manifest: Manifest, probability: ProbabilityScores, *, images: int) -> Scores:
    """Complete the published fp32 scores of a version from its manifest and predictions.

    Evaluations without the fields `calibration_images` and `if_calibrated` (those of all versions that ship) have a
    coverage band that ignores the number of calibration images, no calibration error of a perfectly calibrated model,
    and too narrow intervals for areas near 1.
    """
    sets, reliability = scores.prediction_sets, scores.reliability
    if sets.calibration_images is None:
        fitted_on = manifest.data.counts["holdout"]
        band = coverage_band(images, fitted_on, sets.target)
        sets = sets.model_copy(update={"band": band, "calibration_images": fitted_on})
    if reliability.if_calibrated is None:
        reliability = reliability.model_copy(update={"if_calibrated": probability.ece_if_calibrated})
    strange = scores.strange and tuple(
        kind.model_copy(update={"auroc": extreme_area(kind.auroc.value, min(kind.images, images)) or kind.auroc})
        for kind in scores.strange
    )
    update = {"prediction_sets": sets, "reliability": reliability, "strange": strange}
    return scores.model_copy(update=update)

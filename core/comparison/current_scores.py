"""Current test scores: completes evaluations of older versions with scores that they lack."""

from __future__ import annotations

from core.comparison.pairwise import ProbabilityScores
from core.repository.evaluation import Scores
from core.repository.manifest import Manifest
from core.statistics.coverage import coverage_band


def current_scores(scores: Scores, manifest: Manifest, probability: ProbabilityScores, *, images: int) -> Scores:
    """Complete the fp32 scores of a version from its manifest and predictions.

    Older evaluations have a coverage band that ignores the calibration images, and no calibration error of a perfectly
    calibrated model.

    Args:
        scores: as published.
        manifest: of the version, with the number of holdout images.
        probability: from the stored predictions.
        images: number of scored images.
    """
    sets, reliability = scores.prediction_sets, scores.reliability
    if sets.calibration_images is None:
        fitted_on = manifest.data.counts["holdout"]
        band = coverage_band(images, fitted_on, sets.target)
        sets = sets.model_copy(update={"band": band, "calibration_images": fitted_on})
    if reliability.if_calibrated is None:
        reliability = reliability.model_copy(update={"if_calibrated": probability.ece_if_calibrated})
    return scores.model_copy(update={"prediction_sets": sets, "reliability": reliability})

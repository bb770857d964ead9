"""Test scores of older versions with the figures that their evaluation.json lacks."""

from __future__ import annotations

from core.comparison.pairwise import ProbabilityScores
from core.repository.evaluation import Scores
from core.repository.manifest import Manifest
from core.statistics.coverage import coverage_band


def current_scores(scores: Scores, manifest: Manifest, probability: ProbabilityScores, *, images: int) -> Scores:
    """The fp32 scores of a version, completed from what is stored beside them.

    Older evaluations have a band of coverage that takes no account of the calibration images, and no calibration error
    of a perfectly calibrated model.

    Args:
        scores: as published.
        manifest: of the version; it has the number of holdout images.
        probability: from the stored predictions.
        images: how many images were scored.
    """
    sets, reliability = scores.prediction_sets, scores.reliability
    if sets.calibration_images is None:
        fitted_on = manifest.data.counts["holdout"]
        band = coverage_band(images, fitted_on, sets.target)
        sets = sets.model_copy(update={"band": band, "calibration_images": fitted_on})
    if reliability.if_calibrated is None:
        reliability = reliability.model_copy(update={"if_calibrated": probability.ece_if_calibrated})
    return scores.model_copy(update={"prediction_sets": sets, "reliability": reliability})

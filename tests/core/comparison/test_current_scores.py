"""Current test scores: evaluations of older versions are completed with newer fields."""

from __future__ import annotations

from pathlib import Path

from core.comparison.current_scores import current_scores
from core.comparison.evaluated import read_evaluated
from core.comparison.pairwise import compare_predictions
from core.repository.evaluation import CalibratedECE
from core.repository.repository import ModelRepository
from core.statistics.coverage import coverage_band
from tests.support.onnx_models import write_onnx_version


def test_what_older_evaluations_lack_is_computed_and_the_rest_is_kept(tmp_path: Path) -> None:
    manifest = write_onnx_version(tmp_path / "models" / "cnn" / "1", "cnn", 1)
    version = read_evaluated(ModelRepository(tmp_path / "models", tmp_path / "shipped"), manifest)
    evaluation, answers = version.evaluation, version.predictions()
    names = evaluation.class_names
    probability = compare_predictions((evaluation.data,) * 2, (names, names), (answers, answers), resamples=10).first
    old = evaluation.scores["fp32"]
    binomial = old.prediction_sets.model_copy(update={"band": (0.5, 0.6)})
    old = old.model_copy(update={"prediction_sets": binomial})

    now = current_scores(old, manifest, probability, images=6)
    holdout = manifest.data.counts["holdout"]
    assert now.prediction_sets.band == coverage_band(6, holdout, old.prediction_sets.target)
    assert now.prediction_sets.calibration_images == holdout
    assert now.reliability.if_calibrated == probability.ece_if_calibrated
    assert now.model_copy(update={"prediction_sets": binomial, "reliability": old.reliability}) == old

    published = CalibratedECE(mean=0.1, percentile_95=0.2)
    newer = now.model_copy(update={"reliability": now.reliability.model_copy(update={"if_calibrated": published})})
    assert current_scores(newer, manifest, probability, images=6) == newer

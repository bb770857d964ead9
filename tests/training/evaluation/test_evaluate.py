import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from core.images.tta_views import averaged, views
from core.repository.manifest import GRAPHS, Precision
from core.statistics.calibration import softmax
from tests.support.training_runs import let_int8_fail, let_int8_pass, small_fit, small_recipe
from training.data.split_dataset import Images
from training.evaluation.bf16 import bf16_provider
from training.evaluation.calibrate import calibrate
from training.evaluation.evaluate import EvaluationResult, evaluate
from training.evaluation.ood import ood_images, score_ood
from training.evaluation.scores import score
from training.export.run_onnx import check_parity, predict_logits
from training.export.to_onnx import export_model
from training.networks import Classifier


@pytest.fixture(scope="module")
def trained(images: Images, tmp_path_factory: pytest.TempPathFactory) -> tuple[Classifier, Path]:
    folder = tmp_path_factory.mktemp("trained")
    classifier = small_fit(small_recipe("cnn"), images, folder).classifier
    export_model(classifier, folder, height=32, width=32)
    return classifier, folder


Evaluated = tuple[EvaluationResult, Path]


def evaluated(
    trained: tuple[Classifier, Path], images: Images, folder: Path, decide: Callable[[pytest.MonkeyPatch], None]
) -> Evaluated:
    classifier, exported = trained
    for name in (GRAPHS["fp32"], "weights.safetensors"):
        shutil.copy(exported / name, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        decide(patch)
        parity = partial(check_parity, classifier)
        return evaluate(folder / GRAPHS["fp32"], parity, images, validate=True, threads=1), folder


@pytest.fixture(scope="module")
def accepted(trained: tuple[Classifier, Path], images: Images, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """Result and folder of an evaluation that accepts int8."""
    return evaluated(trained, images, tmp_path_factory.mktemp("accepted"), let_int8_pass)


@pytest.fixture(scope="module")
def rejected(trained: tuple[Classifier, Path], images: Images, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    return evaluated(trained, images, tmp_path_factory.mktemp("rejected"), let_int8_fail)


def test_accepted_int8_has_its_own_calibration_and_scores(accepted: Evaluated, images: Images) -> None:
    result, folder = accepted
    assert result.quantization is not None
    assert result.quantization.published
    assert result.calibration.keys() == result.evaluation.scores.keys() == {"fp32", "int8"}
    assert result.calibration["int8"] != result.calibration["fp32"]

    holdout, test = images.part("holdout"), images.dataset.test
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    for precision in precisions:
        graph = folder / GRAPHS[precision]
        holdout_NK = predict_logits(graph, holdout.images_NHWC, threads=1)
        test_NK = predict_logits(graph, test.images_NHWC, threads=1)
        fitted = calibrate(holdout_NK, holdout.labels_N)
        assert result.calibration[precision] == fitted
        strange = score_ood(graph, test_NK, ood_images(test.images_NHWC), fitted, threads=1)
        expected = score(test_NK, test.labels_N, images.dataset.class_names, fitted, calibration_images=len(holdout))
        expected = expected.model_copy(update={"strange": strange})
        assert result.evaluation.scores[precision] == expected
        for split, logits_NK in (("holdout", holdout_NK), ("test", test_NK)):
            stored_NK = result.predictions[split].probabilities[precision]  # type: ignore[index]
            np.testing.assert_allclose(stored_NK, softmax(logits_NK, fitted.temperature), atol=1e-6)


def test_rejected_int8_leaves_only_the_verdict(rejected: Evaluated) -> None:
    result, folder = rejected
    assert result.quantization is not None
    assert not result.quantization.published
    assert result.quantization.verdict == "less than 1.5 times as fast as float32"
    assert not (folder / GRAPHS["int8"]).exists()
    assert result.calibration.keys() == result.evaluation.scores.keys() == {"fp32"}
    assert all(split.probabilities.keys() - {"bf16"} == {"fp32"} for split in result.predictions.values())


def test_bf16_is_evaluated_if_the_machine_has_it(rejected: Evaluated, images: Images) -> None:
    result, _ = rejected
    assert "bf16" not in result.predictions["test"].probabilities
    stored = result.predictions["holdout"].probabilities
    assert (result.bf16 is not None) == ("bf16" in stored) == (bf16_provider() is not None)
    if result.bf16 is not None:
        assert result.bf16.images == len(images.part("holdout"))
        assert result.bf16.max_difference == pytest.approx(
            float(np.abs(stored["bf16"] - stored["fp32"]).max()), abs=1e-5
        )


def test_headline_metrics_are_those_of_float32(accepted: Evaluated, rejected: Evaluated) -> None:
    headlines = [(result.metrics, result.parity, result.scores) for result, _ in (accepted, rejected)]
    assert headlines[0] == headlines[1]
    assert headlines[0][0].test_accuracy == headlines[0][2].accuracy.value


def test_tta_has_its_own_calibration_and_scores(accepted: Evaluated, images: Images) -> None:
    result, folder = accepted
    holdout, test = images.part("holdout"), images.dataset.test
    assert result.averaged_views.keys() == {"fp32", "int8"}
    for precision, record in result.averaged_views.items():
        graph = folder / GRAPHS[precision]
        logits = {
            part: averaged([predict_logits(graph, view, threads=1) for view in views(part.images_NHWC)])
            for part in (holdout, test)
        }
        assert record.calibration == calibrate(logits[holdout], holdout.labels_N)
        assert record.test_accuracy.value == (logits[test].argmax(1) == test.labels_N).mean()
        assert record.test_accuracy.low < record.test_accuracy.value < record.test_accuracy.high
        scored = score(
            logits[test], test.labels_N, images.dataset.class_names, record.calibration, calibration_images=len(holdout)
        )
        assert (record.test_log_loss, record.test_ece) == (scored.log_loss, scored.reliability.ece)
    assert result.averaged_views["fp32"].calibration != result.calibration["fp32"]

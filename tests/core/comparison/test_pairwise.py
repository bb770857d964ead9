from __future__ import annotations

import numpy as np
import pytest

from core.comparison.pairwise import Pairwise, compare_predictions
from core.errors import DifferentImagesError, NotEvaluatedError
from core.repository.evaluation import EvaluatedData
from core.repository.predictions import SplitPredictions
from core.statistics.calibration import brier_score, calibrated_ece, expected_calibration_error, log_loss
from core.statistics.comparison import mcnemar_exact

NAMES = ("cat", "dog", "owl")
REFERENCES = ("mlp@1", "cnn@2")
DATA = EvaluatedData(name="toys", split="test", digest="a" * 64, images=400)


def answers(seed: int, skill: float, images: int = 400) -> SplitPredictions:
    random = np.random.default_rng(seed)
    labels_N = np.arange(images) % 3
    logits_NK = random.normal(size=(images, 3))
    logits_NK[np.arange(images), labels_N] += skill
    exponentials_NK = np.exp(logits_NK)
    probabilities_NK = (exponentials_NK / exponentials_NK.sum(axis=1, keepdims=True)).astype(np.float32)
    return SplitPredictions(np.arange(images), labels_N, {"fp32": probabilities_NK})


def compared(first: SplitPredictions, second: SplitPredictions) -> Pairwise:
    return compare_predictions(REFERENCES, (DATA, DATA), (NAMES, NAMES), (first, second))


def test_pairwise_scores_match_definitions_and_intervals() -> None:
    first, second = answers(1, 2.0), answers(2, 0.5)
    result = compared(first, second)
    onehot_NK = np.eye(3)[first.labels]
    for side, scores in ((first, result.first), (second, result.second)):
        probabilities_NK = side.probabilities["fp32"].astype(np.float64)
        assert scores.log_loss.value == pytest.approx(log_loss(probabilities_NK, onehot_NK))
        assert scores.brier.value == pytest.approx(brier_score(probabilities_NK, onehot_NK))
        assert scores.ece.value == pytest.approx(expected_calibration_error(probabilities_NK, side.labels))
        assert scores.ece_if_calibrated == calibrated_ece(probabilities_NK)
        for estimate in (scores.log_loss, scores.brier, scores.ece):
            assert estimate.low <= estimate.value <= estimate.high
            assert estimate.low < estimate.high


def test_confusion_rates_are_shares_of_the_true_class() -> None:
    first = answers(1, 1.0)
    rates = compared(first, answers(2, 0.5)).first.confusion_rates
    for k, row in enumerate(rates):
        assert sum(cell.value for cell in row) == pytest.approx(1)
        share = np.mean(first.predicted()[first.labels == k] == 1)
        assert row[1].value == pytest.approx(float(share))


def test_ece_difference_is_centered_on_its_value() -> None:
    """The resampled error of the well calibrated version rises more than that of the other."""
    random = np.random.default_rng(7)
    confidence_N = random.uniform(0.5, 1, 400)
    labels_N = (random.random(400) > confidence_N).astype(np.int64)  # class 0 with the stated probability
    calibrated_N2 = np.stack([confidence_N, 1 - confidence_N], axis=1).astype(np.float32)
    overconfident_N2 = np.tile(np.array([0.999, 0.001], np.float32), (400, 1))
    sides = [SplitPredictions(np.arange(400), labels_N, {"fp32": each}) for each in (calibrated_N2, overconfident_N2)]
    data = EvaluatedData(name="coins", split="test", digest="0" * 64, images=400)
    found = compare_predictions(
        ("one@1", "other@1"), (data, data), (("a", "b"), ("a", "b")), (sides[0], sides[1])
    ).ece_difference
    reach = found.high - found.low
    assert abs((found.low + found.high) / 2 - found.value) < 0.1 * reach


def test_version_compared_with_itself_has_no_difference() -> None:
    first = answers(1, 1.0)
    result = compared(first, first)
    for difference in (result.log_loss_difference, result.brier_difference, result.ece_difference):
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)
    assert result.paired.mcnemar_p == 1.0
    assert not any(row.significant for row in result.per_class)
    assert all(row.holm_p == 1.0 for row in result.per_class)


def test_class_tests_are_holm_corrected() -> None:
    labels_N = np.repeat([0, 1, 2], 100)
    right_NK = np.eye(3, dtype=np.float32)[labels_N]
    wrong_N = labels_N.copy()
    wrong_N[:12] = 1  # twelve cats taken for dogs
    wrong_N[100:101] = 2
    first = SplitPredictions(np.arange(300), labels_N, {"fp32": right_NK})
    second = SplitPredictions(np.arange(300), labels_N, {"fp32": np.eye(3, dtype=np.float32)[wrong_N]})
    cat, dog, owl = compared(first, second).per_class
    assert (cat.label, cat.images, cat.first.value, cat.second.value) == ("cat", 100, 1.0, 0.88)
    assert cat.p == mcnemar_exact(12, 0)
    assert cat.holm_p == pytest.approx(3 * cat.p)
    assert (cat.significant, dog.significant, owl.significant) == (True, False, False)
    assert cat.difference.low > 0


def test_class_without_images_has_no_row() -> None:
    labels_N = np.array([0, 0, 1, 1])
    side = SplitPredictions(np.arange(4), labels_N, {"fp32": np.eye(3, dtype=np.float32)[labels_N]})
    result = compared(side, side)
    assert result.first.confusion_rates[2] == ()
    assert [row.label for row in result.per_class] == ["cat", "dog"]


def test_different_data_are_refused_with_both_digests() -> None:
    first = answers(1, 1.0)
    other = DATA.model_copy(update={"digest": "b" * 64})
    with pytest.raises(DifferentImagesError, match=r"a{64}.*b{64}") as caught:
        compare_predictions(REFERENCES, (DATA, other), (NAMES, NAMES), (first, first))
    assert caught.value.fields["digests"] == {"mlp@1": "a" * 64, "cnn@2": "b" * 64}
    assert "different test images" in str(caught.value)
    assert "duet export" not in str(caught.value), "`duet export` keeps the images of a version"


def test_different_classes_are_refused_with_their_names() -> None:
    first = answers(1, 1.0)
    for other in (DATA, DATA.model_copy(update={"digest": "b" * 64})):
        with pytest.raises(
            DifferentImagesError, match=r"different classes \(mlp@1: cat, dog, owl; cnn@2: cat, dog, fox\)"
        ):
            compare_predictions(REFERENCES, (DATA, other), (NAMES, ("cat", "dog", "fox")), (first, first))


def test_long_lists_of_classes_are_shortened() -> None:
    first, many = answers(1, 1.0), tuple(f"c{k}" for k in range(12))
    with pytest.raises(DifferentImagesError, match="cnn@2: c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 and 2 more"):
        compare_predictions(REFERENCES, (DATA, DATA), (NAMES, many), (first, first))


def test_images_in_another_order_are_refused() -> None:
    first = answers(1, 1.0)
    turned = SplitPredictions(first.index[::-1], first.labels[::-1], {"fp32": first.probabilities["fp32"][::-1]})
    with pytest.raises(NotEvaluatedError, match="mlp@1 and cnn@2 are not of the same images: publish both again"):
        compared(first, turned)

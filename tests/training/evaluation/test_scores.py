import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from core.repository.evaluation import AveragedScores, ClassScores, Scores
from core.repository.graph_records import Calibration
from core.statistics.calibration import calibrated_ece, expected_calibration_error, softmax
from core.statistics.conformal import coverage_band
from training.evaluation.scores import score as score_with

NAMES = ("ant", "bee", "cow")
CALIBRATION = Calibration(
    temperature=2.0, coverage=0.9, conformal_threshold=0.3, ood_threshold=-1.5, ood_flag_rate=0.05
)


def score(logits_NK: np.ndarray, labels_N: np.ndarray, names: tuple[str, ...], calibration: Calibration) -> Scores:
    return score_with(logits_NK, labels_N, names, calibration, calibration_images=40)


def logits_for(predicted: list[int], height: float = 6.0) -> np.ndarray:
    logits_NK = np.zeros((len(predicted), 3), dtype=np.float32)
    logits_NK[np.arange(len(predicted)), predicted] = height
    return logits_NK


LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2], dtype=np.int64)
PREDICTED = [0, 0, 0, 1, 1, 1, 2, 2, 0, 2]


def test_scores_match_a_known_matrix_and_sklearn() -> None:
    scores = score(logits_for(PREDICTED), LABELS, NAMES, CALIBRATION)
    assert scores.confusion_matrix == ((3, 1, 0), (0, 2, 1), (1, 0, 2))
    assert scores.accuracy.value == 0.7
    for average, mean in (("macro", scores.macro), ("weighted", scores.weighted)):
        assert mean.precision.value == pytest.approx(precision_score(LABELS, PREDICTED, average=average))
        assert mean.recall.value == pytest.approx(recall_score(LABELS, PREDICTED, average=average))
        assert mean.f1.value == pytest.approx(f1_score(LABELS, PREDICTED, average=average))
    assert [row.label for row in scores.per_class] == list(NAMES)
    assert [row.support for row in scores.per_class] == [4, 3, 3]
    assert scores.per_class[0].precision.value == pytest.approx(3 / 4)
    assert scores.per_class[1].recall.value == pytest.approx(2 / 3)


def test_intervals_contain_the_value_and_narrow_with_images() -> None:
    few = score(logits_for(PREDICTED), LABELS, NAMES, CALIBRATION)
    many = score(logits_for(PREDICTED * 100), np.tile(LABELS, 100), NAMES, CALIBRATION)
    for scores in (few, many):
        rows: list[AveragedScores | ClassScores] = [scores.macro, scores.weighted, *scores.per_class]
        for row in rows:
            for estimate in (row.precision, row.recall, row.f1):
                assert estimate.low <= estimate.value <= estimate.high
    assert many.macro.f1.high - many.macro.f1.low < 0.2 * (few.macro.f1.high - few.macro.f1.low)
    assert many.accuracy.high - many.accuracy.low < 0.2 * (few.accuracy.high - few.accuracy.low)


def test_class_that_is_never_predicted_scores_zero() -> None:
    scores = score(logits_for([0] * 10), LABELS, NAMES, CALIBRATION)
    assert scores.per_class[2].precision.value == 0.0
    assert scores.per_class[2].f1.value == 0.0


def test_temperature_changes_probabilities_but_not_predictions() -> None:
    sharp = CALIBRATION.model_copy(update={"temperature": 0.5})
    cool, hot = (score(logits_for(PREDICTED), LABELS, NAMES, c) for c in (CALIBRATION, sharp))
    assert cool.confusion_matrix == hot.confusion_matrix
    top = np.exp(3) / (np.exp(3) + 2)
    assert cool.log_loss == pytest.approx(-0.7 * np.log(top) - 0.3 * np.log((1 - top) / 2))
    assert hot.log_loss > cool.log_loss
    untouched = expected_calibration_error(softmax(logits_for(PREDICTED)), LABELS)
    assert cool.ece_before_temperature == hot.ece_before_temperature == untouched
    assert untouched != pytest.approx(cool.reliability.ece)
    assert cool.reliability.if_calibrated == calibrated_ece(softmax(logits_for(PREDICTED), 2.0))


def test_prediction_sets_and_ood_flags_use_the_thresholds() -> None:
    logits = logits_for(PREDICTED)
    narrow = score(logits, LABELS, NAMES, CALIBRATION)
    assert narrow.prediction_sets.coverage.value == 0.7
    assert (narrow.prediction_sets.mean_size, narrow.prediction_sets.singletons) == (1.0, 1.0)
    assert narrow.prediction_sets.band == coverage_band(10, 40, CALIBRATION.coverage)
    assert narrow.prediction_sets.calibration_images == 40
    wide = score(logits, LABELS, NAMES, CALIBRATION.model_copy(update={"conformal_threshold": 0.01}))
    assert wide.prediction_sets.coverage.value == 1.0
    assert (wide.prediction_sets.mean_size, wide.prediction_sets.singletons) == (3.0, 0.0)
    assert narrow.ood_flag_rate == 0.0  # energy is about -6, below the threshold of -1.5
    flat = score(logits_for(PREDICTED, height=0.1), LABELS, NAMES, CALIBRATION)
    assert flat.ood_flag_rate == 1.0  # energy is about -1.1, above it


def test_top2_accuracy_counts_the_second_class() -> None:
    logits_NK = np.array([[3, 2, 1], [1, 3, 2], [3, 2, 1]], dtype=np.float32)
    scores = score(logits_NK, np.array([1, 1, 2]), NAMES, CALIBRATION)
    assert scores.top2_accuracy.value == pytest.approx(2 / 3)


def test_many_classes_have_confusions_instead_of_a_matrix() -> None:
    names = tuple(f"class {number}" for number in range(101))
    labels_N = np.array([5, 5, 5, 5, 90, 90, 3])
    logits_NK = np.zeros((7, 101), np.float32)
    logits_NK[range(7), [5, 8, 8, 100, 90, 0, 3]] = 9
    scores = score(logits_NK, labels_N, names, CALIBRATION)
    assert scores.confusion_matrix == ()
    found = [(each.label, each.predicted, each.images) for each in scores.confusions or ()]
    assert found == [("class 5", "class 8", 2), ("class 5", "class 100", 1), ("class 90", "class 0", 1)]
    assert score(logits_NK[:, :100], labels_N, names[:100], CALIBRATION).confusions is None


def test_classes_without_images_do_not_count_in_macro_averages() -> None:
    known = score(logits_for(PREDICTED), LABELS, NAMES, CALIBRATION)
    logits_NK = np.column_stack([logits_for(PREDICTED), np.full(10, -20, np.float32)])
    more = score(logits_NK, LABELS, (*NAMES, "dog"), CALIBRATION)
    assert more.per_class[3].support == 0
    assert more.macro == known.macro


def test_intervals_of_macro_averages_contain_the_value_with_one_image_per_class() -> None:
    names = tuple(f"class {number}" for number in range(60))
    labels_N = np.arange(60)
    predicted_N = np.where(labels_N % 2, labels_N, 0)
    macro = score(np.eye(60, dtype=np.float32)[predicted_N] * 9, labels_N, names, CALIBRATION).macro
    assert macro.recall.value == pytest.approx(31 / 60)
    assert macro.recall.low < macro.recall.value < macro.recall.high

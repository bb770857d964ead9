import numpy as np

from core.repository.evaluation import EvaluatedData, Evaluation, Scores, StrangeImages, StrangeKind
from core.repository.graph_records import Calibration
from core.statistics.intervals import ConfidenceInterval
from training.evaluation.reproduce import disagreements
from training.evaluation.scores import score

LABELS_N = np.tile(np.array([0, 1, 2], dtype=np.int64), 10)
LOGITS_NK = np.eye(3, dtype=np.float32)[LABELS_N[::-1]] * 3
CALIBRATION = Calibration(
    temperature=1.0, coverage=0.9, conformal_threshold=0.3, ood_threshold=-1.5, ood_flag_rate=0.05
)


def scored() -> Scores:
    return score(LOGITS_NK, LABELS_N, ("ant", "bee", "cow"), CALIBRATION, calibration_images=50)


def evaluated(scores: Scores) -> Evaluation:
    data = EvaluatedData(name="tiny", split="test", digest="a" * 64, images=30)
    return Evaluation(data=data, class_names=("ant", "bee", "cow"), scores={"fp32": scores})


def test_missing_scores_of_older_versions_are_skipped() -> None:
    now = scored()
    sets = now.prediction_sets.model_copy(update={"band": None, "calibration_images": None})
    reliability = now.reliability.model_copy(update={"if_calibrated": None})
    older = {"prediction_sets": sets, "reliability": reliability, "ece_before_temperature": None}
    before = now.model_copy(update=older)
    assert disagreements(evaluated(before), evaluated(now)) == []
    assert disagreements(evaluated(now), evaluated(before)) != []
    other = now.model_copy(update={"brier": now.brier + 1e-3, "ece_before_temperature": 0.5})
    assert [line.split(":")[0] for line in disagreements(evaluated(before), evaluated(other))] == ["scores.fp32.brier"]
    assert len(disagreements(evaluated(now), evaluated(other))) == 2


def test_ood_kinds_added_later_are_skipped() -> None:
    now = score(LOGITS_NK, LABELS_N, ("ant", "bee", "cow"), CALIBRATION, calibration_images=50)

    def strange(kind: StrangeKind, flag_rate: float) -> StrangeImages:
        return StrangeImages(
            kind=kind, images=9, auroc=ConfidenceInterval(value=0.9, low=0.8, high=1.0), flag_rate=flag_rate
        )

    before = now.model_copy(update={"strange": (strange("noise", 0.5),)})
    after = now.model_copy(update={"strange": (strange("noise", 0.5), strange("digits", 0.2))})
    assert disagreements(evaluated(before), evaluated(after)) == []
    assert len(disagreements(evaluated(after), evaluated(before))) == 1
    changed = now.model_copy(update={"strange": (strange("noise", 0.6), strange("digits", 0.2))})
    assert [line.split(":")[0] for line in disagreements(evaluated(before), evaluated(changed))] == [
        "scores.fp32.strange[0].flag_rate"
    ]


def test_evaluation_of_an_older_version_can_be_read() -> None:
    now = evaluated(scored())
    content = now.model_dump(mode="json")
    for name in ("strange", "ece_before_temperature"):
        del content["scores"]["fp32"][name]
    del content["scores"]["fp32"]["prediction_sets"]["band"]
    del content["scores"]["fp32"]["prediction_sets"]["calibration_images"]
    del content["scores"]["fp32"]["reliability"]["if_calibrated"]
    assert Evaluation.model_validate(content).scores["fp32"].prediction_sets.band is None


def test_coverage_band_without_calibration_images_is_skipped() -> None:
    now = scored()
    sets = now.prediction_sets
    binomial = sets.model_copy(update={"band": (0.8, 0.9), "calibration_images": None})
    assert disagreements(evaluated(now.model_copy(update={"prediction_sets": binomial})), evaluated(now)) == []
    wrong = sets.model_copy(update={"band": (0.8, 0.9)})
    differing = disagreements(evaluated(now.model_copy(update={"prediction_sets": wrong})), evaluated(now))
    assert [line.split(":")[0] for line in differing] == [
        f"scores.fp32.prediction_sets.band[{end}]"
        for end in range(2)
        if sets.band and sets.band[end] != (0.8, 0.9)[end]
    ]
    assert differing


def test_scores_from_sampled_labels_have_a_tolerance() -> None:
    now = scored()
    perfect = now.reliability.if_calibrated
    assert perfect is not None

    def moved(by: float) -> Evaluation:
        other = perfect.model_copy(update={"mean": perfect.mean + by})
        return evaluated(
            now.model_copy(update={"reliability": now.reliability.model_copy(update={"if_calibrated": other})})
        )

    assert disagreements(moved(5e-4), evaluated(now)) == []
    (line,) = disagreements(moved(5e-3), evaluated(now))
    assert line.startswith("scores.fp32.reliability.if_calibrated.mean: published")

import numpy as np

from core.estimate import Estimate
from core.evaluation import EvaluatedData, Evaluation, Scores, StrangeImages, StrangeKind
from core.manifest import Calibration
from training.reevaluate import disagreements
from training.scoring import score

LABELS_N = np.tile(np.array([0, 1, 2], dtype=np.int64), 10)
LOGITS_NK = np.eye(3, dtype=np.float32)[LABELS_N[::-1]] * 3
CALIBRATION = Calibration(
    temperature=1.0, coverage=0.9, conformal_threshold=0.3, ood_threshold=-1.5, ood_flag_rate=0.05
)


def evaluated(scores: Scores) -> Evaluation:
    data = EvaluatedData(name="tiny", split="test", digest="a" * 64, images=30)
    return Evaluation(data=data, class_names=("ant", "bee", "cow"), scores={"fp32": scores})


def test_figures_that_were_not_measured_yet_do_not_differ_and_others_do() -> None:
    now = score(LOGITS_NK, LABELS_N, ("ant", "bee", "cow"), CALIBRATION)
    sets = now.prediction_sets.model_copy(update={"band": None})
    before = now.model_copy(update={"prediction_sets": sets, "ece_before_temperature": None})
    assert disagreements(evaluated(before), evaluated(now)) == []
    assert disagreements(evaluated(now), evaluated(before)) != []
    other = now.model_copy(update={"brier": now.brier + 1e-3, "ece_before_temperature": 0.5})
    assert [line.split(":")[0] for line in disagreements(evaluated(before), evaluated(other))] == ["scores.fp32.brier"]
    assert len(disagreements(evaluated(now), evaluated(other))) == 2


def test_kinds_of_strange_images_that_were_added_later_do_not_differ() -> None:
    now = score(LOGITS_NK, LABELS_N, ("ant", "bee", "cow"), CALIBRATION)

    def strange(kind: StrangeKind, flag_rate: float) -> StrangeImages:
        return StrangeImages(kind=kind, images=9, auroc=Estimate(value=0.9, low=0.8, high=1.0), flag_rate=flag_rate)

    before = now.model_copy(update={"strange": (strange("noise", 0.5),)})
    after = now.model_copy(update={"strange": (strange("noise", 0.5), strange("digits", 0.2))})
    assert disagreements(evaluated(before), evaluated(after)) == []
    assert len(disagreements(evaluated(after), evaluated(before))) == 1
    changed = now.model_copy(update={"strange": (strange("noise", 0.6), strange("digits", 0.2))})
    assert [line.split(":")[0] for line in disagreements(evaluated(before), evaluated(changed))] == [
        "scores.fp32.strange[0].flag_rate"
    ]


def test_an_evaluation_of_before_these_figures_can_be_read() -> None:
    now = evaluated(score(LOGITS_NK, LABELS_N, ("ant", "bee", "cow"), CALIBRATION))
    content = now.model_dump(mode="json")
    for name in ("strange", "ece_before_temperature"):
        del content["scores"]["fp32"][name]
    del content["scores"]["fp32"]["prediction_sets"]["band"]
    assert Evaluation.model_validate(content).scores["fp32"].prediction_sets.band is None

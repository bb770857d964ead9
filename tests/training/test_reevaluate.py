import numpy as np

from core.evaluation import EvaluatedData, Evaluation, Scores
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


def test_an_evaluation_of_before_these_figures_can_be_read() -> None:
    now = evaluated(score(LOGITS_NK, LABELS_N, ("ant", "bee", "cow"), CALIBRATION))
    content = now.model_dump(mode="json")
    for name in ("strange", "ece_before_temperature"):
        del content["scores"]["fp32"][name]
    del content["scores"]["fp32"]["prediction_sets"]["band"]
    assert Evaluation.model_validate(content).scores["fp32"].prediction_sets.band is None

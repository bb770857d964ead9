"""Model card: scores with intervals, training time, calibration and class biases."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from core.repository.evaluation import CalibratedECE, Evaluation, StrangeImages, read_evaluation
from core.repository.graph_records import AveragedViewsRecord, ClassBiasRecord
from core.repository.manifest import Manifest, read_manifest
from core.statistics.intervals import ConfidenceInterval
from tests.support.onnx_models import write_onnx_version
from training.publish.model_card import model_card


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Evaluation]:
    folder: Path = tmp_path_factory.mktemp("models") / "cnn" / "3"
    write_onnx_version(folder, "cnn", 3)
    manifest = read_manifest(folder)
    views = AveragedViewsRecord(
        views=6,
        calibration=manifest.calibration["fp32"],
        test_accuracy=ConfidenceInterval(value=0.9512, low=0.9468, high=0.9553),
        test_log_loss=0.2,
        test_ece=0.01,
    )
    return manifest.model_copy(update={"averaged_views": {"fp32": views}}), read_evaluation(folder)


def test_card_lists_every_class_with_intervals(published: tuple[Manifest, Evaluation]) -> None:
    manifest, evaluation = published
    rows = [line for line in model_card(manifest, evaluation).splitlines() if line.startswith("| ")]
    for each in evaluation.scores["fp32"].per_class:
        recall = f"{each.recall.value:.3f} ({each.recall.low:.3f} to {each.recall.high:.3f})"
        (row,) = [line for line in rows if line.startswith(f"| {each.label} |")]
        assert recall in row
        assert row.endswith(f"| {each.support} |")


def test_card_escapes_class_names_in_cells(published: tuple[Manifest, Evaluation]) -> None:
    manifest, evaluation = published
    scores = evaluation.scores["fp32"]
    names = ["cat|dog", "_US$_", "<b>", "a*b*"]
    rows = [row.model_copy(update={"label": name}) for row, name in zip(scores.per_class, names, strict=False)]
    changed = scores.model_copy(update={"per_class": tuple(rows)})
    card = model_card(manifest, evaluation.model_copy(update={"scores": {"fp32": changed}}))
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(card)
    cells = re.findall(r"<tr>\n<td>(.*?)</td>", html.partition("Per class")[2])
    assert [unescape(cell) for cell in cells] == names[: len(rows)]


def test_card_headline_scores_have_intervals(published: tuple[Manifest, Evaluation]) -> None:
    manifest, evaluation = published
    card = model_card(manifest, evaluation)
    macro = evaluation.scores["fp32"].macro.f1
    assert "logits of 6 views averaged | 95.12% (94.68% to 95.53%) |" in card
    assert f"| macro F1 | {macro.value:.3f} ({macro.low:.3f} to {macro.high:.3f}) |" in card
    assert "AUROC against | not measured |" in card


def test_card_training_time_includes_soft_labels(published: tuple[Manifest, Evaluation]) -> None:
    manifest, evaluation = published
    fit = {"training_seconds": 90.0, "epochs": 4}

    def training(teacher: str | None, teacher_seconds: float | None, start: str | None = None) -> str:
        cost = manifest.cost.model_copy(update=fit | {"teacher_seconds": teacher_seconds})
        changed = {"cost": cost, "config": {"distillation": {"teacher": teacher}, "init_from": start}}
        card = model_card(manifest.model_copy(update=changed), evaluation)
        (row,) = [line for line in card.splitlines() if line.startswith("| training |")]
        return row

    own = "| training | 4 epochs, 1.5 minutes on 2 threads, float32"
    assert training(None, None) == f"{own} |"
    assert training("cnn@3", 960.0) == f"{own}; soft labels of cnn@3: 16.0 minutes; total 17.5 minutes |"
    assert training("cnn@3", None) == f"{own}; the time of the soft labels of cnn@3 is unknown |"
    initialized = "starts from the weights of mlp@3, whose training time is not included"
    assert training(None, None, "mlp@3") == f"{own}; {initialized} |"


def test_card_lists_measured_ood_scores(published: tuple[Manifest, Evaluation]) -> None:
    manifest, evaluation = published
    noise = StrangeImages(
        kind="noise", images=10, auroc=ConfidenceInterval(value=0.97, low=0.96, high=0.98), flag_rate=0.5
    )
    scores = evaluation.scores["fp32"].model_copy(update={"strange": (noise,)})
    card = model_card(manifest, evaluation.model_copy(update={"scores": {"fp32": scores}}))
    assert "AUROC against | noise 0.970 (0.960 to 0.980) |" in card


def test_card_calibration_error_with_its_expected_value(published: tuple[Manifest, Evaluation]) -> None:
    manifest, evaluation = published
    scores = evaluation.scores["fp32"]
    assert "| expected calibration error | 10.00% after temperature" in model_card(manifest, evaluation)
    perfect = CalibratedECE(mean=0.0041, percentile_95=0.0061)
    sets = scores.prediction_sets.model_copy(update={"band": (0.9864, 0.9931), "calibration_images": 5_000})
    reliability = scores.reliability.model_copy(update={"if_calibrated": perfect})
    measured = scores.model_copy(update={"reliability": reliability, "prediction_sets": sets})
    card = model_card(manifest, evaluation.model_copy(update={"scores": {"fp32": measured}}))
    assert "| 10.00% (a perfectly calibrated model: mean 0.41%, 95th percentile 0.61%) after temperature" in card
    assert "(target 90%; 98.64% to 99.31% in 95 of 100 cases for a threshold from 5,000 images)" in card


def test_card_class_biases_with_both_log_losses(published: tuple[Manifest, Evaluation]) -> None:
    manifest, evaluation = published
    assert "| class biases | not tried |" in model_card(manifest, evaluation)

    def row(kept: bool) -> str:
        record = ClassBiasRecord(
            images=5_000, folds=5, log_loss_without=0.6201, log_loss_with=0.6102, least_fall=0.005, kept=kept, biases=()
        )
        card = model_card(manifest.model_copy(update={"class_biases": record}), evaluation)
        return next(line for line in card.splitlines() if line.startswith("| class biases |"))

    losses = "5-fold cross-validation: 0.6102 with temperature and biases, 0.6201 with temperature alone |"
    assert row(kept=True) == f"| class biases | included in the weights; log loss on the holdout, {losses}"
    assert row(kept=False).startswith("| class biases | not used, because the difference is not significant; log loss")


def test_card_names_balanced_sampling(published: tuple[Manifest, Evaluation]) -> None:
    manifest, evaluation = published
    assert "balanced sampling" not in model_card(manifest, evaluation)
    balanced = manifest.model_copy(update={"config": {**manifest.config, "sampling": "balanced"}})
    assert "with every class drawn equally often (balanced sampling); thresholds" in model_card(balanced, evaluation)


def with_classes(evaluation: Evaluation, supports: list[int]) -> Evaluation:
    """An evaluation with one class for each number of images; later classes have a higher F1."""
    scores = evaluation.scores["fp32"]
    rows = []
    for number, support in enumerate(supports):
        share = number / len(supports)
        estimate = ConfidenceInterval(value=share, low=share, high=share)
        rows.append(scores.per_class[0].model_copy(update={"label": f"c{number}", "support": support, "f1": estimate}))
    return evaluation.model_copy(update={"scores": {"fp32": scores.model_copy(update={"per_class": tuple(rows)})}})


def test_card_of_many_classes_lists_those_with_the_lowest_f1(published: tuple[Manifest, Evaluation]) -> None:
    manifest, evaluation = published
    card = model_card(manifest, with_classes(evaluation, [5] * 250))
    assert "The 100 of 250 classes with the lowest F1; `evaluation.json` has all." in card
    assert ("| c99 |" in card, "| c100 |" in card) == (True, False)
    assert "lowest F1" not in model_card(manifest, with_classes(evaluation, [5] * 100))


def test_card_warns_of_classes_without_test_images(published: tuple[Manifest, Evaluation]) -> None:
    manifest, evaluation = published
    card = model_card(manifest, with_classes(evaluation, [5, 0, 7, 0]))
    assert "**Warning**: 2 of 4 classes have no test image" in card
    assert "c1, c3. It is not measured how well they are recognized" in card
    assert ("| c0 |" in card, "| c1 |" in card) == (True, False)
    assert "and 5 more. It is not measured" in model_card(manifest, with_classes(evaluation, [0] * 25 + [3]))
    assert "Warning" not in model_card(manifest, with_classes(evaluation, [5, 7]))

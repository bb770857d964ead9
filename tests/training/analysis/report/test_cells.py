from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.records.explanations import Check, ControlGain, MethodEvaluation, NoiseLevel, Randomized
from core.records.training_fit import TrainingFit
from core.statistics.intervals import ConfidenceInterval
from training.analysis.report import cells
from training.analysis.report.findings import DuplicateEffect, Findings, VersionResults
from training.analysis.report.render import findings_page


def configured(side: VersionResults, **changes: Any) -> VersionResults:
    config = dict(side.manifest.config) | changes
    return dataclasses.replace(side, manifest=side.manifest.model_copy(update={"config": config}))


def an(value: float, low: float, high: float) -> ConfidenceInterval:
    return ConfidenceInterval(value=value, low=low, high=high)


def test_layers_name_pooling_and_dense_layers(shipped: Findings) -> None:
    assert cells.layers(shipped.first) == "flatten, dense 512, 6 residual blocks of 2 dense layers each, dense 10"
    assert cells.layers(shipped.second) == (
        "2x2 whitening convolution, 3 blocks of 3 convolutions of 3x3 (96/320/384 channels), each block with batch "
        "normalization, a residual connection and 2x2 max-pooling, global max-pooling, dense 10"
    )
    plain = configured(shipped.second, network={"kind": "cnn", "channels": [8], "convolutions": 2, "hidden": [64]})
    assert cells.layers(plain) == (
        "1 blocks of 2 convolutions of 3x3 (8 channels), each block with batch normalization and 2x2 max-pooling, "
        "flatten, dense 64, dense 10"
    )


def test_augmentation_lists_enabled_operations(shipped: Findings) -> None:
    settings = {"flip": True, "translate": 4, "rotate": 7.5, "cutout": 8, "mixup": 0.5, "cutmix": 0.0, "augmix": 0.25}
    assert cells.augmentation(configured(shipped.first, augmentation=settings)) == (
        "horizontal flip, shift up to 4 pixels, rotation up to 7.5 degrees, cutout 8x8 pixels, mixup (alpha 0.5), "
        "AugMix (25% of images)"
    )
    assert cells.augmentation(configured(shipped.first, augmentation={})) == "none"


def test_targets_are_labels_or_a_teacher(shipped: Findings) -> None:
    assert cells.targets(shipped.first) == "class probabilities of teacher@1 (distillation)"
    assert cells.targets(shipped.second) == "one-hot labels"
    smoothed = configured(shipped.second, optimization={"label_smoothing": 0.05})
    assert cells.targets(smoothed) == "one-hot labels, label smoothing 0.05"


@pytest.mark.parametrize(
    ("teacher", "start", "seconds", "text"),
    [
        (None, None, None, "10.0 minutes"),
        ("cnn@3", None, None, "10.0 minutes (without the predictions of cnn@3, plus the training of cnn@3)"),
        ("cnn@3", None, 300.0, "15.0 minutes (5.0 of them for the predictions of cnn@3, plus the training of cnn@3)"),
        (None, "mlp@1", None, "10.0 minutes (plus the training of mlp@1)"),
    ],
)
def test_training_time_names_its_parts(
    shipped: Findings, teacher: str | None, start: str | None, seconds: float | None, text: str
) -> None:
    side = configured(shipped.first, distillation={"teacher": teacher}, init_from=start)
    cost = side.manifest.cost.model_copy(update={"training_seconds": 600.0, "teacher_seconds": seconds})
    timed = dataclasses.replace(side, manifest=side.manifest.model_copy(update={"cost": cost}))
    assert cells.training_time(timed) == text


@pytest.mark.parametrize(
    ("insertion", "similarity", "text"),
    [
        (an(0.1, 0.05, 0.2), an(0.2, 0.1, 0.3), "passes"),
        (an(-0.1, -0.2, -0.05), an(0.6, 0.55, 0.65), "**fails** insertion and randomisation"),
        (an(0.01, -0.02, 0.05), an(0.6, 0.55, 0.65), "**fails** randomisation; undecided: insertion"),
        (an(0.01, -0.02, 0.05), an(0.499, 0.485, 0.511), "undecided: insertion and randomisation"),
    ],
)
def test_verdict_is_undecided_if_the_interval_has_the_limit(
    shipped: Findings, insertion: ConfidenceInterval, similarity: ConfidenceInterval, text: str
) -> None:
    explanations = shipped.first.explanations
    method = explanations.methods[0].model_copy(
        update={
            "insertion_gain": insertion,
            "cascade": (Randomized(layer="first", correlation=similarity),),
            "checks": (
                Check(name="insertion", passed=insertion.low > 0, reason=""),
                Check(name="randomisation", passed=similarity.high <= 0.5, reason=""),
            ),
        }
    )
    assert isinstance(method, MethodEvaluation)
    assert cells.verdict(explanations, method) == text
    assert cells.verdict(explanations, method.model_copy(update={"images": 0})) == "**fails**: every map is flat"


def test_severities_list_the_parameters_of_each_corruption(shipped: Findings) -> None:
    rows = dict(cells.severities(shipped.second.robustness))
    assert len(rows) == 14
    assert rows["gaussian noise"] == "deviation 0.04, 0.06, 0.08, 0.09, 0.1"
    assert rows["motion blur"] == "radius 6, 6, 6, 8, 9; deviation 1, 1.5, 2, 2, 2.5"


def test_latency_of_an_untimed_graph_is_empty(shipped: Findings) -> None:
    untimed = shipped.first.latency.model_copy(update={"timings": ()})
    assert cells.latency(dataclasses.replace(shipped.first, latency=untimed), "int8", 1) == ""


def with_shift_figures(findings: Findings) -> Findings:
    """Findings whose robustness records have calibration and coverage, as records of newer releases."""

    def measured(side: VersionResults) -> VersionResults:
        conditions = tuple(
            each.model_copy(update={"ece": 0.1 + each.level / 100, "coverage": 0.9, "flag_rate": 0.25})
            for each in side.robustness.conditions
        )
        return dataclasses.replace(side, robustness=side.robustness.model_copy(update={"conditions": conditions}))

    return dataclasses.replace(findings, first=measured(findings.first), second=measured(findings.second))


def test_shift_figures_are_means_over_the_levels(shipped: Findings) -> None:
    measured = with_shift_figures(shipped)
    assert cells.has_shift_figures(measured)
    assert cells.shift_figures(measured.first, "fog") == "13.0%; 90.0%; 25.0%"
    assert cells.shift_conditions(measured)[:2] == ["clean", "gaussian_noise"]
    page = findings_page(measured)
    assert "| fog | 13.0%; 90.0%; 25.0% | 13.0%; 90.0%; 25.0% |" in page
    assert "the calibration error is 13.0% for" in page
    assert "are missing from these records" not in page


def test_controls_are_described_if_they_were_measured(shipped: Findings) -> None:
    def controlled(side: VersionResults) -> VersionResults:
        gains = tuple(
            ControlGain(control=name, gain=an(value, value, value))
            for name, value in (("moved", 0.3), ("other_image", 0.2), ("mean_map", 0.2), ("center", 0.1))
        )
        update = {"deletion_controls": gains, "insertion_controls": gains, "other_images": an(0.39, 0.3, 0.5)}
        methods = tuple(method.model_copy(update=update) for method in side.explanations.methods)
        levels = (NoiseLevel(noise=0.05, kept=an(0.08, 0.05, 0.1)),)
        explanations = side.explanations.model_copy(update={"methods": methods, "noise_levels": levels})
        return dataclasses.replace(side, explanations=explanations)

    measured = dataclasses.replace(shipped, first=controlled(shipped.first), second=controlled(shipped.second))
    assert cells.has_controls(measured)
    older = [each.model_copy(update={"deletion_controls": ()}) for each in shipped.second.explanations.methods]
    explanations = shipped.second.explanations.model_copy(update={"methods": tuple(older)})
    uncontrolled = dataclasses.replace(shipped.second, explanations=explanations)
    assert not cells.has_controls(dataclasses.replace(measured, second=uncontrolled))
    page = findings_page(measured)
    assert "0.39 (0.30 to 0.50) | center and center |" in page
    assert "| deviation 0.05, the default | 8.0% (5.0% to 10.0%) | 8.0% (5.0% to 10.0%) |" in page
    assert "is a weak baseline" not in page


def test_training_fit_and_duplicates_are_shown_if_recorded(shipped: Findings) -> None:
    effect = DuplicateEffect(an(0.99, 0.98, 1.0), an(0.93, 0.92, 0.94), an(0.0018, 0.0011, 0.0025))

    def recorded(side: VersionResults) -> VersionResults:
        fit = TrainingFit(model=side.robustness.model, data=side.robustness.data, accuracy=an(0.925, 0.92, 0.93))
        return dataclasses.replace(side, training_fit=fit, duplicates=effect)

    page = findings_page(dataclasses.replace(shipped, first=recorded(shipped.first), second=recorded(shipped.second)))
    assert "| accuracy of the version on unchanged training images | 92.5% (92.0% to 93.0%) | 92.5%" in page
    assert "The accuracy on unchanged training images is 92.5%" in page
    assert "| effect of the near duplicates, points | +0.18 (+0.11 to +0.25) | +0.18 (+0.11 to +0.25) | |" in page
    assert "They raise the accuracy by +0.18 (+0.11 to +0.25) points (mlp@4)" in page

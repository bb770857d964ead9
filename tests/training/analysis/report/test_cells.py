from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.records.explanations import Check, MethodEvaluation, Randomized
from core.statistics.intervals import ConfidenceInterval
from training.analysis.report import cells
from training.analysis.report.findings import Findings, VersionResults


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
    assert cells.targets(shipped.second) == "one-hot labels, label smoothing 0.05"


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

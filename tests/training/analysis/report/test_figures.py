"""Texts and marks of the report's figures, drawn from the shipped records."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from core.records.mistakes import Pattern
from training.analysis.interpret.figures import cascade_figure, checks_figure, class_images_figure
from training.analysis.mistakes.figures import patterns_figure
from training.analysis.report.figures import numbered
from training.analysis.report.findings import Findings, VersionResults
from training.analysis.robustness.figures import levels_figure, means_figure
from training.plots.style import LIGHT


def tick_labels(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_majorticklabels()]


def test_levels_figure_labels_severity_only_for_corruptions(shipped: Findings) -> None:
    figure = levels_figure([side.robustness for side in shipped.sides], LIGHT)
    labels = {axes.get_title(): axes.get_xlabel() for axes in figure.axes if axes.get_title()}
    assert {name: labels.pop(name) for name in ("shift", "rotation", "FGSM", "noisy original")} == {
        "shift": "pixels", "rotation": "degrees", "FGSM": "step in 1/255",
        "noisy original": "1 to 5: originals of 512 to 32 pixels",
    }  # fmt: skip
    assert len(labels) == 14
    assert set(labels.values()) == {"severity"}
    assert "severity" not in figure.get_supxlabel()


@pytest.fixture(scope="module")
def patterns(shipped: Findings) -> Figure:
    return patterns_figure(shipped.mistakes, LIGHT)


def test_patterns_figure_places_fifths_evenly(shipped: Findings, patterns: Figure) -> None:
    for axes, pattern in zip(patterns.axes, shipped.mistakes.models[0].patterns, strict=False):
        for lines in axes.containers:
            places, values = lines[0].get_data()
            assert np.diff(places) == pytest.approx(1)
            assert [int(place) for place in places] == [0, 1, 2, 3, 4]
            assert len(values) == len(pattern.bins)
        assert list(axes.get_xticks()) == [0, 1, 2, 3, 4, 5]


def test_patterns_figure_labels_the_recorded_borders(shipped: Findings, patterns: Figure) -> None:
    def borders(pattern: Pattern) -> list[float]:
        return [*(part.low for part in pattern.bins), pattern.bins[-1].high]

    first, second = shipped.mistakes.models
    of_each = f"borders of {first.model.reference}, below of {second.model.reference}"
    for axes, one, other in zip(patterns.axes, first.patterns, second.patterns, strict=False):
        lines = [[float(each.get_text()) for each in axes.get_xticklabels(minor=minor)] for minor in (False, True)]
        written = [values for values in lines if values]
        expected = [borders(one)] if borders(one) == borders(other) else [borders(one), borders(other)]
        assert len(expected) == (2 if one.name == "off_centre" else 1)
        assert axes.get_title() == (of_each if one.name == "off_centre" else "")
        for line, values in zip(written, expected, strict=True):
            assert line == pytest.approx(values, abs=0.005)
            assert len(set(line)) == len(line)


def test_cascade_figure_has_one_look_per_method(shipped: Findings) -> None:
    looks: dict[str, tuple[str, str]] = {}
    for side in shipped.sides:
        (axes,) = cascade_figure(side.explanations, LIGHT).axes
        *lines, limit = axes.lines
        for line in lines:
            look = (to_hex(line.get_color()), str(line.get_marker()))
            assert looks.setdefault(str(line.get_label()), look) == look
        assert limit.get_linestyle() == "--"
        assert "0.5" in str(limit.get_label())
    assert set(looks) == {
        "saliency", "input x gradient", "SmoothGrad", "integrated gradients", "Grad-CAM", "occlusion",
    }  # fmt: skip
    assert len({color for color, _ in looks.values()}) == len({marker for _, marker in looks.values()}) == len(looks)


def test_figures_use_display_names(shipped: Findings) -> None:
    checks = checks_figure([side.explanations for side in shipped.sides], LIGHT)
    assert {"SmoothGrad", "Grad-CAM"} < set(tick_labels(checks.axes[0].yaxis))
    means = means_figure([side.robustness for side in shipped.sides], LIGHT)
    assert {"FGSM", "gaussian noise"} < set(tick_labels(means.axes[0].yaxis))


def test_class_images_figure_captions_mean_probabilities(shipped: Findings, tmp_path: Path) -> None:
    made = shipped.second.activations
    training_NHWC = np.zeros((max(image.nearest.position for image in made.images) + 1, 4, 4, 3), np.uint8)
    for image in made.images:
        (tmp_path / image.file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(training_NHWC[0]).save(tmp_path / image.file)
    (axes,) = class_images_figure(made, tmp_path, training_NHWC, LIGHT).axes
    said = [text.get_text() for text in axes.texts]
    of_cats = [image.own_probability or 0.0 for image in made.images if image.kind == "class" and image.name == "cat"]
    assert len(of_cats) > 1
    assert f"own mean {np.mean(of_cats):.0%}" in said
    assert any(text.startswith("mlp mean ") for text in said)


def test_numbered_matches_the_whole_reference(shipped: Findings) -> None:
    def named(side: VersionResults, family: str, version: int) -> VersionResults:
        manifest = side.manifest.model_copy(update={"family": family, "version": version})
        return dataclasses.replace(side, manifest=manifest)

    alike = dataclasses.replace(shipped, first=named(shipped.first, "cnn", 1), second=named(shipped.second, "cnn", 12))
    assert numbered("first_layer.cnn@1", alike) == "first-layer-1"
    assert numbered("first_layer.cnn@12", alike) == "first-layer-2"
    assert numbered("label_candidates", alike) == "label-candidates"
    within = dataclasses.replace(alike, second=named(shipped.second, "my_cnn", 1))
    assert numbered("maps.my_cnn@1", within) == "maps-2"

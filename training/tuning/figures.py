"""Figures of a tuning report: history, importances and parallel coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from training.plots.style import LIGHT
from training.tuning.journal import DIVERGED, accuracies_of
from training.tuning.space import shown

Floats = npt.NDArray[np.float64]

_COLORS = "cividis"
"""Readable with all common types of color vision."""

_PAPER = {"facecolor": LIGHT.surface, "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
"""Background of labels that lines cross."""


def history_figure(trials: Sequence[FrozenTrial]) -> Figure:
    """Draw the accuracy by trial with the best so far, and by epoch; diverged trials are left out."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    ends, epochs = figure.subplots(1, 2, sharey=True)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED and DIVERGED not in trial.user_attrs]
    for some, color, marker, label in (
        (complete, LIGHT.accent, "o", "ran to its end"),
        (pruned, LIGHT.muted, "x", "ended early"),
    ):
        ends.scatter(
            [trial.number for trial in some], [trial.value or 0.0 for trial in some],
            color=color, marker=marker, s=22, label=label,
        )  # fmt: skip
    best = np.maximum.accumulate([trial.value or 0.0 for trial in complete])
    ends.step([trial.number for trial in complete], best, where="post", color=LIGHT.parts[1], label="best so far")
    for trial in trials:
        reported = sorted(accuracies_of(trial).items())
        color = LIGHT.accent if trial.state == TrialState.COMPLETE else LIGHT.muted
        epochs.plot([epoch for epoch, _ in reported], [value for _, value in reported], color=color, lw=1, alpha=0.6)
    ends.set_xlabel("trial")
    ends.set_ylabel("validation accuracy")
    ends.legend(frameon=False, fontsize=8, loc="lower right")
    epochs.set_xlabel("epoch")
    for axes in (ends, epochs):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(color=LIGHT.grid)
    return figure


def importance_figure(importances: Mapping[str, float]) -> Figure:
    """Draw the share of the variance of accuracy that each setting explains, as bars."""
    figure = Figure(figsize=(6, 0.9 + 0.3 * len(importances)), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(importances), list(importances.values()), color=LIGHT.accent, height=0.72)
    axes.invert_yaxis()
    axes.grid(axis="x", color=LIGHT.grid)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("importance")
    return figure


def parallel_figure(trials: Sequence[FrozenTrial], dimensions: Mapping[str, BaseDistribution]) -> Figure:
    """Draw parallel coordinates: one line per complete trial, colored by its accuracy."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    values = np.array([trial.value or 0.0 for trial in complete])
    figure = Figure(figsize=(1.0 + 1.05 * (len(dimensions) + 1), 4.2), layout="constrained")
    axes = figure.subplots()
    normalize = Normalize(values.min(), values.max())
    places = {name: _places([trial.params[name] for trial in complete], d) for name, d in dimensions.items()}
    spread = float(np.ptp(values)) or 1.0
    heights = np.column_stack([*(place for place, _ in places.values()), (values - values.min()) / spread])
    colormap = figure.colorbar(
        axes.scatter([], [], c=[], cmap=_COLORS, norm=normalize), ax=axes, format=PercentFormatter(1.0),
        label="validation accuracy",
    ).cmap  # fmt: skip
    # Ascending order draws the best on top.
    for number in np.argsort(values):
        axes.plot(heights[number], color=colormap(normalize(values[number])), lw=1.6, alpha=0.85)
    for axis, (_, ticks) in enumerate(places.values()):
        axes.axvline(axis, color=LIGHT.muted, lw=0.8)
        for height, label in ticks:
            axes.text(axis + 0.04, height, label, fontsize=7, color=LIGHT.text, va="center", bbox=_PAPER)
    axes.axvline(len(places), color=LIGHT.muted, lw=0.8)
    axes.set_xticks(range(len(places) + 1), [*places, "accuracy"], rotation=30, ha="right", fontsize=8)
    axes.set_yticks([])
    axes.set_ylim(-0.06, 1.06)
    axes.spines[:].set_visible(False)
    return figure


def _places(values: Sequence[Any], dimension: BaseDistribution) -> tuple[Floats, list[tuple[float, str]]]:
    """Return the heights in [0, 1] of the values on their axis, and the tick labels with their heights."""
    if isinstance(dimension, CategoricalDistribution):
        last = max(1, len(dimension.choices) - 1)
        known = {choice: place / last for place, choice in enumerate(dimension.choices)}
        return np.array([known[value] for value in values]), [(known[c], shown(c)) for c in dimension.choices]
    if not isinstance(dimension, FloatDistribution | IntDistribution):
        raise TypeError(f"unsupported distribution: {dimension}")
    numbers = np.array([dimension.low, dimension.high, *values], dtype=np.float64)
    scaled = np.log(numbers) if dimension.log else numbers
    heights = (scaled[2:] - scaled[0]) / ((scaled[1] - scaled[0]) or 1.0)
    return heights, [(0.0, shown(dimension.low)), (1.0, shown(dimension.high))]

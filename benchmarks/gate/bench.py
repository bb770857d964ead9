"""Simulation of the gate's error rates: false promotions, power, and accuracy lost to a sequence of cheaper versions.

Each image has the same probability of four outcomes: both versions right, only the candidate, only the champion, or
neither. The outcomes of a sequence of candidates are drawn independently given those of the champion. The tests are
those of `core.gate.decide`; guards are left out, because they can only refuse a version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from benchmarks.common import report as reports
from benchmarks.common.machine import describe_machine
from benchmarks.common.report import Figures, Goal, TextTable, check_goals, goals_table
from core.gate.error_budget import attempt_level
from core.gate.report import GateThresholds
from core.statistics.comparison import mcnemar_exact, paired_difference

Rights = npt.NDArray[np.bool_]
LIMITS = GateThresholds()
ATTEMPTS = 20
GAINS = (0.5, 0.9, 1.8)
"""True gains in points."""
CREEP_DISCORDANT, CREEP_STEP = 0.01, -0.002
"""Cheaper versions that resemble the champion, such as pruned ones: discordant share, and true gain of each version."""
GOALS = (
    Goal("*: equal versions, a promotion in 20 attempts, %", "<=", 5.0),
    Goal("*: cheaper versions, accuracy lost in 20 attempts, points", "<=", 0.5),
)


@dataclass(frozen=True)
class Setting:
    """Champion's accuracy, share of images that exactly one version gets right, and number of holdout images."""

    name: str
    accuracy: float
    discordant: float
    images: int


SETTINGS = (
    Setting("cnn", 0.945, 0.05, 5_000),
    Setting("mlp", 0.785, 0.20, 5_000),
    Setting("own images", 0.85, 0.15, 300),
)


def main(
    sequences: Annotated[int, typer.Option(min=10, help="Simulated sequences of each kind.")] = 1_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
    out: reports.Out = None,
    markdown: reports.Markdown = None,
) -> None:
    """Simulate the gate and print its error rates."""
    tables: list[TextTable] = []
    figures: Figures = {}
    for setting in SETTINGS:
        rows, found = simulate(setting, sequences, np.random.default_rng(seed))
        title = (
            f"{setting.name}: {setting.images:,} holdout images, accuracy {setting.accuracy:.1%}, exactly one right "
            f"on {setting.discordant:.0%}"
        )
        tables.append(TextTable(title, ("simulated", ">this gate", ">without budget"), rows))
        reports.append(figures, found)
    tables.append(goals_table(check_goals(GOALS, figures)))
    head = f"{sequences:,} sequences each, seed {seed}; {describe_machine()}"
    reports.report(head, tables, figures, out=out, markdown=markdown)


def simulate(
    setting: Setting, sequences: int, random: np.random.Generator
) -> tuple[tuple[tuple[str, ...], ...], dict[str, float]]:
    """Rows of the table, and the figures that have goals."""
    rows: list[tuple[str, ...]] = []
    equal, equal_before = false_promotions(setting, sequences, random)
    rows.append(("equal versions, a promotion in 20 attempts, %", f"{100 * equal:.1f}", f"{100 * equal_before:.1f}"))
    for points in GAINS:
        for number in (1, 3, 10):
            found, before = power(setting, points / 100, number, sequences, random)
            rows.append(
                (f"+{points} points, promoted as attempt {number}, %", f"{100 * found:.0f}", f"{100 * before:.0f}")
            )
    lost, lost_before = creeping_loss(setting, max(10, sequences // 5), random)
    label = "cheaper versions, accuracy lost in 20 attempts, points"
    rows.append((label, f"{100 * lost:.2f}", f"{100 * lost_before:.2f}"))
    return tuple(rows), {
        f"{setting.name}: {rows[0][0]}": 100 * equal,
        f"{setting.name}: {label}": 100 * lost,
    }


def false_promotions(setting: Setting, sequences: int, random: np.random.Generator) -> tuple[float, float]:
    """Share of sequences of 20 equally accurate candidates of which one passes: with the budget, and at 5 % each."""
    promoted = np.zeros(2)
    for _ in range(sequences):
        champion_N = _champion(setting, random)
        p_values = [_gain_p(right_N, champion_N) for right_N in _candidates(setting, champion_N, 0.0, ATTEMPTS, random)]
        promoted += [
            any(p < 2 * attempt_level(LIMITS.significance, 1 + k) for k, p in enumerate(p_values)),
            any(p < LIMITS.significance for p in p_values),
        ]
    return float(promoted[0] / sequences), float(promoted[1] / sequences)


def power(
    setting: Setting, gain: float, number: int, sequences: int, random: np.random.Generator
) -> tuple[float, float]:
    """Share of candidates with this true gain that pass as attempt `number`, and at 5 % without the budget."""
    p_values = []
    for _ in range(sequences):
        champion_N = _champion(setting, random)
        [right_N] = _candidates(setting, champion_N, gain, 1, random)
        p_values.append(_gain_p(right_N, champion_N))
    levels = 2 * attempt_level(LIMITS.significance, number), LIMITS.significance
    found, before = (float(np.mean([p < level for p in p_values])) for level in levels)
    return found, before


def creeping_loss(setting: Setting, sequences: int, random: np.random.Generator) -> tuple[float, float]:
    """Mean true accuracy lost after 20 cheaper candidates, each 0.2 points worse than the last champion.

    The second value is for a gate that compares with the last champion at 95 % confidence.
    """
    lost = np.zeros(2)
    setting = replace(setting, discordant=CREEP_DISCORDANT)
    for _ in range(sequences):
        first_N = _champion(setting, random)
        for budget in (True, False):
            true_loss, best_N, last_N = 0.0, first_N, first_N
            for number in range(1, ATTEMPTS + 1):
                [right_N] = _candidates(setting, last_N, CREEP_STEP, 1, random)
                z = NormalDist().inv_cdf(1 - (attempt_level(LIMITS.significance, number) if budget else 0.025))
                if not _not_inferior(right_N, best_N if budget else last_N, z):
                    continue
                true_loss -= CREEP_STEP
                last_N = right_N
                if right_N.sum() >= best_N.sum():
                    best_N = right_N
            lost[0 if budget else 1] += true_loss
    return float(lost[0] / sequences), float(lost[1] / sequences)


def _champion(setting: Setting, random: np.random.Generator) -> Rights:
    return random.random(setting.images) < setting.accuracy


def _candidates(
    setting: Setting, champion_N: Rights, gain: float, count: int, random: np.random.Generator
) -> Iterator[Rights]:
    """Draw candidates: on average, exactly one of the two is right on `discordant` of the images."""
    lost = (setting.discordant - gain) / 2 / setting.accuracy
    won = (setting.discordant + gain) / 2 / (1 - setting.accuracy)
    for _ in range(count):
        draw_N = random.random(len(champion_N))
        yield np.where(champion_N, draw_N >= lost, draw_N < won)


def _gain_p(candidate_N: Rights, champion_N: Rights) -> float:
    """Two-sided p-value of McNemar's test; 1 if there is no gain."""
    only_candidate, only_champion = _discordant(candidate_N, champion_N)
    return _mcnemar(only_candidate, only_champion) if only_candidate > only_champion else 1.0


@cache
def _mcnemar(only_first: int, only_second: int) -> float:
    return mcnemar_exact(only_first, only_second)


def _not_inferior(candidate_N: Rights, other_N: Rights, z: float) -> bool:
    low = paired_difference(*_discordant(candidate_N, other_N), len(other_N), z).low
    return low > -LIMITS.non_inferiority_margin


def _discordant(first_N: Rights, second_N: Rights) -> tuple[int, int]:
    return int(np.count_nonzero(first_N & ~second_N)), int(np.count_nonzero(second_N & ~first_N))

"""Simulation of the statistics of live traffic: error rates however often one looks, and labels until an answer.

Answers are drawn from those that the shipped versions gave to the test images (`predictions.npz`). No model runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.common import report as reports
from benchmarks.common.machine import describe_machine
from benchmarks.common.report import Figures, Goal, TextTable, check_goals, goals_table, progress_console
from benchmarks.loop import drift, labels, trial
from core.files.home import shipped_models

CHAMPION, CHALLENGER = "cnn/3", "cnn/4"
TRIAL_LABELS, ACCURACY_LABELS, COVERAGE_LABELS, DRIFT_IMAGES = 2_000, 1_000, 10_000, 2_000
UNIFORM_SHARE = 0.5
"""Share of uniform choices among images for labelling; the others are chosen by uncertainty."""
GOALS = (
    Goal("trial: false verdicts on equal models, %", "<=", 5.0),
    Goal("trial: 'no difference' for models that differ by the margin, %", "<=", 5.0),
    Goal("trial: labels to a verdict, median", "<=", 250),
    Goal("trial: labels at random / labels of disagreements, same test", ">=", 10),
    Goal("coverage: false alarms, %", "<=", 1.0),
    Goal("coverage: alarms within 250 labels at 5 % misses, %", ">=", 90),
    Goal("accuracy: intervals right at every look, %", ">=", 95),
    Goal("drift: false alarms, *", "<=", 1.0),
)
Row = tuple[str, str, str]


def main(
    streams: Annotated[int, typer.Option(min=10, help="Simulated streams of each kind.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulation; each part adds its number to it.")] = 0,
    models: reports.Models = None,
    out: reports.Out = None,
    markdown: reports.Markdown = None,
) -> None:
    """Simulate shadow trials, coverage alarms, weighted labels and drift."""
    folder = models or shipped_models()
    figures: Figures = {}
    tables = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=progress_console()) as progress:
        for number, part in enumerate((trial_part, coverage_part, accuracy_part, drift_part)):
            table, found = part(folder, streams, np.random.default_rng([seed, number]), progress)
            tables.append(table)
            reports.append(figures, found)
    tables.append(goals_table(check_goals(GOALS, figures)))
    head = f"{streams:,} streams each, seeds [{seed}, 0] to [{seed}, 3]; {describe_machine()}"
    reports.report(head, tables, figures, out=out, markdown=markdown)


def trial_part(
    folder: Path, streams: int, random: np.random.Generator, progress: Progress
) -> tuple[TextTable, dict[str, float]]:
    """Trials of equal models, of models that differ by the margin, and of cnn@4 against cnn@3."""
    pair = trial.Pair.stored(folder / CHAMPION, folder / CHALLENGER)
    false, peeked, equal_streams = 0, 0, pair.equal()
    decided, reversed_verdicts = [], 0
    with _task(progress, "shadow trials", 3 * streams) as advance:
        for size in _blocks(streams, trial.BLOCK):
            scores_SN = equal_streams.scores(size, TRIAL_LABELS, random)
            false += int(np.count_nonzero(np.minimum(*trial.verdicts(scores_SN)) != trial.NEVER))
            peeked += int(np.count_nonzero(np.minimum(*trial.peeking(scores_SN)) != trial.NEVER))
            advance(size)
        for size in _blocks(streams, trial.BLOCK):
            right_S, wrong_S = trial.verdicts(pair.scores(size, TRIAL_LABELS, random))
            reversed_verdicts += int(np.count_nonzero(wrong_S < right_S))
            decided.append(np.minimum(right_S, wrong_S))
            advance(size)
        looks = np.array([200, 400, 600, 800, 1_000])
        equal = 0.0
        for size in _blocks(streams, trial.BLOCK // 5):
            equal += trial.wrongly_equal(pair, size, looks, random) * size / streams
            advance(size)
    labels_S = np.concatenate(decided)
    seen_S = trial.images_until(labels_S, pair, random)
    median, images = float(np.median(labels_S)), float(np.median(seen_S))
    late, fixed = reports.percentile(labels_S.tolist(), 80), trial.fixed_sample(pair)
    equal_peeked = _percent(false, streams), _percent(peeked, streams)
    rows = (
        ("equal models, a verdict for either within 2,000 labels, %", *equal_peeked, "McNemar's exact test"),
        ("models that differ by the margin, 'no difference' at any of 5 looks, %", f"{100 * equal:.2f}", "", ""),
        ("cnn@4 over cnn@3, labels to a verdict, median", f"{median:,.0f}", f"{images:,.0f}", "labels at random"),
        ("the same, decided in 80 % of the streams", f"{late:,.0f}", f"{fixed:,}", "at random, size fixed in advance"),
        ("the same, verdicts for cnn@3, %", _percent(reversed_verdicts, streams), "", ""),
    )
    won, lost = (share / pair.disagreements for share in (pair.challenger_right, pair.champion_right))
    title = (
        f"Shadow trial at 5 %: {pair.disagreements:.1%} disagreements, of which the challenger wins {won:.0%} and the "
        f"champion {lost:.0%}"
    )
    headings = ("simulated, looked at after every label", ">this test", ">reference", "reference")
    return TextTable(title, headings, rows), {
        "trial: false verdicts on equal models, %": 100 * false / streams,
        "trial: peeking at McNemar's test, false verdicts, %": 100 * peeked / streams,
        "trial: 'no difference' for models that differ by the margin, %": 100 * equal,
        "trial: labels to a verdict, median": median,
        "trial: labels at random / labels of disagreements, same test": images / median,
        "trial: labels at random, fixed size / labels of disagreements, 80 % power": fixed / late,
    }


def coverage_part(
    folder: Path, streams: int, random: np.random.Generator, progress: Progress
) -> tuple[TextTable, dict[str, float]]:
    """Coverage alarms at the nominal miss rate of 1 %, at 5 % from the start and at 5 % after 5,000 good labels."""
    many = 20 * streams
    with _task(progress, "coverage alarms", 2 * streams + many) as advance:
        false_S = labels.alarms(np.full(COVERAGE_LABELS, 0.01), streams, random, advance)
        fast_S = labels.alarms(np.full(250, 0.05), many, random, advance)
        late_S = labels.alarms(np.repeat([0.01, 0.05], [5_000, 2_500]), streams, random, advance)
    false, fast = float(np.isfinite(false_S).mean()), float(np.isfinite(fast_S).mean())
    late = float(np.median(late_S[late_S > 5_000])) - 5_000
    rows = (
        (f"1 % misses, alarm within {COVERAGE_LABELS:,} labels, %", f"{100 * false:.2f}"),
        (f"5 % misses ({many:,} streams), alarm within 250 labels, %", f"{100 * fast:.1f}"),
        ("the same, labels to the alarm, median", f"{np.median(fast_S):,.0f}"),
        ("5 % misses after 5,000 labels with 1 %, further labels to the alarm, median", f"{late:,.0f}"),
    )
    return TextTable(
        "Coverage alarm: nominal miss rate 1 %, false-alarm rate 1 %", ("simulated", ">this test"), rows
    ), {
        "coverage: false alarms, %": 100 * false,
        "coverage: alarms within 250 labels at 5 % misses, %": 100 * fast,
        "coverage: labels to the alarm after 5,000 good ones": late,
    }


def accuracy_part(
    folder: Path, streams: int, random: np.random.Generator, progress: Progress
) -> tuple[TextTable, dict[str, float]]:
    """Accuracy of cnn@4 from images chosen by uncertainty."""
    population = labels.Population.stored(folder / CHALLENGER, UNIFORM_SHARE)
    with _task(progress, "weighted labels", streams) as advance:
        missed = labels.misses(population, streams, ACCURACY_LABELS, random, advance)
    rows = [
        (
            "interval right after every label, % of streams",
            f"{100 * (1 - missed.confidence_sequence):.1f}",
            f"{100 * (1 - missed.wald):.1f}",
            f"{100 * (1 - missed.unweighted):.1f}",
        )
    ]
    for count in (100, 300, ACCURACY_LABELS):
        width, fixed = labels.widths(population, count, 50, random)
        rows.append(
            (f"width after {count:,} labels, points (Wilson: uniform choice)", f"{width:.1f}", "", f"{fixed:.1f}")
        )
    title = (
        f"Accuracy {population.accuracy:.2%} from {ACCURACY_LABELS:,} labels, {1 - UNIFORM_SHARE:.0%} chosen by "
        "uncertainty; references from label 30"
    )
    headings = ("simulated", ">confidence sequence", ">weighted Wald", ">unweighted Wilson")
    return TextTable(title, headings, tuple(rows)), {
        "accuracy: intervals right at every look, %": 100 * (1 - missed.confidence_sequence)
    }


def drift_part(
    folder: Path, streams: int, random: np.random.Generator, progress: Progress
) -> tuple[TextTable, dict[str, float]]:
    """Drift tests without drift, with one class twice as often, and with wrong answers three times as often."""
    traffic = drift.Traffic.stored(folder / CHALLENGER)
    changes: dict[drift.Quantity, tuple[str, npt.NDArray[np.float64]]] = {
        "class mix": ("one class twice as often", traffic.one_class_doubled()),
        "confidence": ("wrong answers three times as often", traffic.wrong_tripled()),
    }
    figures, rows = {}, []
    few = max(10, streams // 10)
    with _task(progress, "drift", 2 * (streams + few)) as advance:
        for quantity, (change, share_N) in changes.items():
            quiet_S, moved_S = (
                drift.alarms(
                    traffic, quantity, share, streams=count, images=DRIFT_IMAGES, random=random, advance=advance
                )
                for share, count in ((None, streams), (share_N, few))
            )
            false = 100 * float(np.isfinite(quiet_S).mean())
            rows.append((f"{quantity}: no drift, alarm within {DRIFT_IMAGES:,} images, %", f"{false:.2f}"))
            found = 100 * float(np.isfinite(moved_S).mean())
            rows.append((f"{quantity}: {change}, alarm within {DRIFT_IMAGES:,} images, %", f"{found:.0f}"))
            rows.append(("the same, images to the alarm, median", f"{np.median(moved_S):,.0f}"))
            figures[f"drift: false alarms, {quantity}, %"] = false
    title = f"Drift against a holdout of {drift.HOLDOUT:,} images, false-alarm rate 1 % ({few} streams with drift)"
    return TextTable(title, ("simulated", ">this test"), tuple(rows)), figures


def _percent(count: int, streams: int) -> str:
    return f"{100 * count / streams:.2f}"


def _blocks(streams: int, size: int) -> Iterator[int]:
    for start in range(0, streams, size):
        yield min(size, streams - start)


@contextmanager
def _task(progress: Progress, name: str, total: int) -> Iterator[labels.Advance]:
    task = progress.add_task(name, total=total)
    yield lambda count: progress.advance(task, count)

"""The tables of a run as titles, headings and cells of text: the terminal and the Markdown page draw the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.serving.goals import Goal, judge
from benchmarks.serving.ratios import cell_figures
from benchmarks.serving.results import Overload, Results
from benchmarks.serving.spread import spread
from core.repository.manifest import Precision

BUSY = 0.5
WHOLE_CORE = 0.95


@dataclass(frozen=True)
class TextTable:
    """Rows under headings; a heading that starts with `>` stands over a column of figures."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def head_lines(results: Results) -> list[str]:
    """What was measured, on what, with what."""
    setup = results.setup
    versions = ", ".join(f"{name} {version}" for name, version in setup.versions.items())
    return [
        f"{setup.model}: {setup.macs / 1e6:.1f} M multiply-accumulates per image, {setup.parameters:,} parameters.",
        f"{setup.cpu}, {setup.cores} cores; the servers on core {setup.server_core}, the load on core "
        f"{setup.load_core}. {versions}.",
        f"{setup.pictures}. {setup.generator}, {setup.generator_per_second:,.0f} requests/s by itself; {setup.rounds} "
        f"round{'s' * (setup.rounds != 1)} of {setup.seconds:g} s per figure. A figure is the median over rounds, "
        "with the lowest and the highest.",
        *_noise(results),
    ]


def tables(results: Results) -> Iterator[TextTable]:
    """Every table that this run has rows for."""
    if results.samples:
        yield _raw(results)
        yield _load(results)
    if results.overloads:
        yield _overloads(results.overloads)
    goals = judge(results)
    if goals:
        yield goals_table(goals)


def goals_table(goals: Sequence[Goal]) -> TextTable:
    """Every goal with its verdict."""
    verdicts = {True: "met", False: "not met", None: "reported"}
    rows = tuple((goal.what, goal.goal, goal.measured, verdicts[goal.met]) for goal in goals)
    return TextTable("Goals", ("what", "goal", "measured", ""), rows)


def _noise(results: Results) -> Iterator[str]:
    """Why the figures may not be the servers' own."""
    if results.setup.load_average >= BUSY:
        yield f"The machine was not idle: its load average was {results.setup.load_average:.1f} at the start."
    least = min((sample.raw.core_share for sample in results.samples), default=1.0)
    if least < WHOLE_CORE:
        yield f"Something else ran on the servers' core: onnxruntime alone once had {least:.0%} of it."


def _raw(results: Results) -> TextTable:
    rows = []
    precisions: list[Precision] = list(dict.fromkeys(sample.cell.precision for sample in results.samples))
    for precision in precisions:
        # Samples of one group share a measurement.
        speeds = list(dict.fromkeys(sample.raw for sample in results.samples if sample.cell.precision == precision))
        rows.append(
            (
                precision,
                spread(speed.batch_1_ms for speed in speeds).text(2),
                spread(speed.batch_32_images_per_second for speed in speeds).text(0),
                spread(100 * speed.core_share for speed in speeds).text(0),
            )
        )
    headings = ("precision", ">batch 1, ms", ">batch 32, images/s", ">share of the core it had, %")
    return TextTable("onnxruntime alone, one thread", headings, tuple(rows))


def _load(results: Results) -> TextTable:
    headings = (
        "precision",
        ">clients",
        "server",
        "body",
        ">requests/s",
        ">/ raw batch 32",
        ">per CPU s",
        ">p50, ms",
        ">/ raw batch 1",
        ">p99, ms",
        ">p99 / p50",
        ">errors",
        ">core, %",
    )
    rows = tuple(
        (
            row.cell.precision,
            str(row.cell.clients),
            row.cell.target,
            row.cell.body,
            row.per_second.text(0),
            row.of_raw_batch_32.text(2),
            f"{row.of_raw_per_cpu.median:.2f}",
            row.p50_ms.text(2),
            f"{row.of_raw_batch_1.median:.2f}",
            row.p99_ms.text(2),
            f"{row.p99_of_p50.median:.2f}",
            str(row.errors),
            f"{100 * row.server_cpu.median:.0f}",
        )
        for row in cell_figures(results.samples)
    )
    return TextTable("Closed loop", headings, rows)


def _overloads(runs: Sequence[Overload]) -> TextTable:
    headings = (
        "precision",
        ">offered/s",
        ">accepted/s",
        ">capacity/s",
        ">p50, p99 accepted, ms",
        ">p99 at capacity, ms",
        ">429, %",
        ">retry_after_ms, median",
        ">other errors",
        ">RSS before, third, peak, after, MB",
    )
    rows = tuple(
        (
            run.precision,
            f"{run.offered_per_second:,.0f}",
            f"{run.accepted_per_second:,.0f}",
            f"{run.capacity_per_second:,.0f}",
            f"{run.accepted_p50_ms:.0f}, {run.accepted_p99_ms:.0f}",
            f"{run.capacity_p99_ms:.0f}",
            f"{100 * run.rejected_share:.0f}",
            "none" if run.retry_after_p50_ms is None else f"{run.retry_after_p50_ms:.0f}",
            ", ".join(f"{count} {kind}" for kind, count in run.error_kinds.items()) or "0",
            f"{run.rss_before_mb:.0f}, {run.rss_third_mb:.0f}, {run.rss_peak_mb:.0f}, {run.rss_after_mb:.0f}",
        )
        for run in runs
    )
    return TextTable("Overload, a row per round", headings, rows)

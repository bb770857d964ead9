"""The figures that the service has to reach, beside those it was measured at. A median over rounds is what counts."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.serving.ratios import CellFigures, cell_figures, find_figures, paired_ratio
from benchmarks.serving.results import Body, Cell, Overload, Results
from benchmarks.serving.spread import Spread, spread
from core.repository.manifest import Precision

GENERATOR_ROOM = 0.15
FLAT = 1.05


@dataclass(frozen=True)
class Goal:
    """One goal and what was measured; `met` is None where the figure is reported without a verdict."""

    what: str
    goal: str
    measured: str
    met: bool | None


def judge(results: Results) -> list[Goal]:
    """Every goal that this run measured something for."""
    figures = cell_figures(results.samples)
    return [
        *_throughput(results, figures),
        *_latency(figures),
        *_overload(results),
        *_scaling(results),
        *_costs(results),
    ]


def _throughput(results: Results, figures: list[CellFigures]) -> Iterator[Goal]:
    goals: list[tuple[Precision, Body, float]] = [
        ("fp32", "multipart", 0.90),
        ("int8", "raw", 0.85),
        ("int8", "multipart", 0.78),
    ]
    for precision, body, least in goals:
        row = find_figures(figures, "duet", body, precision, 32)
        if row is not None:
            what = f"requests/s at 32 clients over raw batch-32 images/s, {precision}, {body}"
            yield compared(what, row.of_raw_batch_32, operator.ge, least)
    against = paired_ratio(results.samples, Cell("duet", "multipart", "fp32", 32), Cell("mosec", "raw", "fp32", 32))
    if against is not None:
        yield compared("the same over Mosec's on raw bodies, fp32", against, operator.ge, 1.0)


def _latency(figures: list[CellFigures]) -> Iterator[Goal]:
    alone = find_figures(figures, "duet", "multipart", "fp32", 1)
    if alone is not None:
        what = "median latency at one client over raw batch-1 time, fp32, multipart"
        yield compared(what, alone.of_raw_batch_1, operator.le, 1.25)
    for row in figures:
        if row.cell.target == "duet" and row.cell.clients == 64:
            what = f"p99 over p50 at 64 clients, {row.cell.precision}, {row.cell.body}"
            yield compared(what, row.p99_of_p50, operator.le, 1.5)
    errors = [row.errors for row in figures if row.cell.target == "duet"]
    if errors:
        yield Goal("errors of the service in the closed loop", "0", str(sum(errors)), sum(errors) == 0)


def _overload(results: Results) -> Iterator[Goal]:
    for precision in ("fp32", "int8"):
        runs = [run for run in results.overloads if run.precision == precision]
        if runs:
            yield from _overload_of(runs, f"{runs[0].factor:g} x overload, {precision}")


def _overload_of(runs: list[Overload], what: str) -> Iterator[Goal]:
    def over_rounds(figure: Callable[[Overload], float]) -> Spread:
        return spread(map(figure, runs))

    p99 = over_rounds(lambda run: run.accepted_p99_ms / run.capacity_p99_ms)
    yield compared(f"{what}: p99 of accepted requests over that at capacity", p99, operator.le, 3.0)
    throughput = over_rounds(lambda run: run.accepted_per_second / run.capacity_per_second)
    yield compared(f"{what}: accepted throughput over capacity", throughput, operator.ge, 0.85)
    others = sum(run.other_errors for run in runs)
    share = over_rounds(lambda run: 100 * run.rejected_share)
    yield Goal(
        f"{what}: the rest is answered 429", "no other error", f"{share.text(0)} % 429, {others} other", others == 0
    )
    present = over_rounds(lambda run: 100 * run.retry_after_present)
    yield compared(f"{what}: share of 429 with a consistent Retry-After, %", present, operator.ge, 100.0, digits=1)
    growth = over_rounds(lambda run: run.rss_after_mb / run.rss_third_mb)
    yield compared(f"{what}: memory after the run over that a third into it", growth, operator.le, FLAT)
    recovered = sum(run.recovered for run in runs)
    yield Goal(f"{what}: the next request is served", "always", f"{recovered} of {len(runs)}", recovered == len(runs))


def _scaling(results: Results) -> Iterator[Goal]:
    if results.scalings:
        ratio = spread(run.two.per_second / run.one.per_second for run in results.scalings)
        busy = max(run.generator_cpu for run in results.scalings)
        room = all(run.load_core_is_free for run in results.scalings) or busy <= GENERATOR_ROOM
        yield Goal(
            "two workers on two cores over one on one",
            ">= 1.7 where the load leaves room",
            f"{ratio.text(2)}; the load took {busy:.0%} of a core",
            ratio.median >= 1.7 if room else None,
        )


def _costs(results: Results) -> Iterator[Goal]:
    costs = results.costs
    if costs.start_seconds:
        yield compared("start to first answer, s", spread(costs.start_seconds), operator.le, 2.0)
    if costs.memory_warm is not None and costs.memory_loaded is not None:
        most = max(costs.memory_warm.rss_mb, costs.memory_loaded.rss_mb)
        what = f"resident memory with {len(costs.champions)} champion{'s' * (len(costs.champions) != 1)}, MB"
        measured = f"{most:.0f} (warm {costs.memory_warm.rss_mb:.0f})"
        yield Goal(what, "<= 200", measured, most <= 200)


def compared(
    what: str, measured: Spread, compare: Callable[[float, float], bool], limit: float, *, digits: int = 2
) -> Goal:
    """The goal that the median is at least (`operator.ge`) or at most the limit."""
    sign = ">=" if compare is operator.ge else "<="
    return Goal(what, f"{sign} {limit:g}", measured.text(digits), bool(compare(measured.median, limit)))

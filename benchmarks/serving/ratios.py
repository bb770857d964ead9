"""Ratios to onnxruntime's own speed, per cell, each taken within one round and then spread over the rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.serving.results import Body, Cell, Sample, TargetName
from benchmarks.serving.spread import Spread, spread
from core.repository.manifest import Precision


@dataclass(frozen=True)
class CellFigures:
    """A row of the closed loop's table."""

    cell: Cell
    per_second: Spread
    of_raw_batch_32: Spread
    of_raw_per_cpu: Spread
    p50_ms: Spread
    of_raw_batch_1: Spread
    p99_ms: Spread
    p99_of_p50: Spread
    server_cpu: Spread
    errors: int


def cell_figures(samples: Sequence[Sample]) -> list[CellFigures]:
    """The figures of every cell, in the order in which a reader compares them."""
    cells = dict.fromkeys(sample.cell for sample in samples)
    rows = [_figures([sample for sample in samples if sample.cell == cell]) for cell in cells]
    return sorted(rows, key=lambda row: (row.cell.precision, row.cell.clients))


def find_figures(
    figures: Sequence[CellFigures], target: TargetName, body: Body, precision: Precision, clients: int
) -> CellFigures | None:
    """The row of a cell, or None where it was not measured."""
    return next((row for row in figures if row.cell == Cell(target, body, precision, clients)), None)


def paired_ratio(samples: Sequence[Sample], over: Cell, under: Cell) -> Spread | None:
    """Requests/s of one cell over those of another, each pair from one round; None without such a pair."""
    lower = {sample.round: sample.load.per_second for sample in samples if sample.cell == under}
    ratios = [
        sample.load.per_second / lower[sample.round]
        for sample in samples
        if sample.cell == over and lower.get(sample.round)
    ]
    return spread(ratios) if ratios else None


def _figures(samples: Sequence[Sample]) -> CellFigures:
    def over_rounds(figure: Callable[[Sample], float]) -> Spread:
        return spread(map(figure, samples))

    return CellFigures(
        cell=samples[0].cell,
        per_second=over_rounds(lambda one: one.load.per_second),
        of_raw_batch_32=over_rounds(lambda one: one.load.per_second / one.raw.batch_32_images_per_second),
        of_raw_per_cpu=over_rounds(_of_raw_per_cpu),
        p50_ms=over_rounds(lambda one: one.load.p50_ms),
        of_raw_batch_1=over_rounds(lambda one: one.load.p50_ms / one.raw.batch_1_ms),
        p99_ms=over_rounds(lambda one: one.load.p99_ms),
        p99_of_p50=over_rounds(lambda one: one.load.p99_ms / one.load.p50_ms),
        server_cpu=over_rounds(lambda one: one.server_cpu),
        errors=sum(one.load.errors for one in samples),
    )


def _of_raw_per_cpu(sample: Sample) -> float:
    """Requests per CPU second of the server over images per CPU second of onnxruntime at a batch of 32."""
    if sample.server_cpu == 0:
        return float("nan")
    return sample.load.per_second / sample.server_cpu / sample.raw.batch_32_images_per_cpu_second

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from benchmarks.serving.ratios import cell_figures, find_figures
from benchmarks.serving.spread import Spread
from tests.benchmarks.results import make_sample


def test_figures_are_spread_over_the_rounds_of_a_cell() -> None:
    samples = [
        make_sample(per_second=360, p50_ms=80, p99_ms=100, errors=1, round_=0),
        make_sample(clients=8, per_second=1),
        make_sample(per_second=380, p50_ms=90, p99_ms=90, errors=2, round_=1),
        make_sample(per_second=340, p50_ms=70, p99_ms=140, round_=2),
    ]
    row = find_figures(cell_figures(samples), "duet", "multipart", "fp32", 32)
    assert row is not None
    assert row.per_second == Spread(360, 340, 380)
    assert row.of_raw_batch_32 == Spread(0.9, 0.85, 0.95)
    assert row.of_raw_batch_1 == Spread(40, 35, 45)
    assert row.p99_of_p50 == Spread(1.25, 1.0, 2.0)
    assert row.errors == 3


def test_cpu_seconds_see_through_what_else_runs_on_the_core() -> None:
    alone = make_sample(per_second=360, raw_images=400)
    # Something took half of the core from the server, and nothing from onnxruntime before it.
    disturbed = make_sample(per_second=180, raw_images=400, cpu=0.5, clients=8)
    rows = {row.cell.clients: row for row in cell_figures([alone, disturbed])}
    assert rows[8].of_raw_batch_32.median == pytest.approx(0.45)
    assert rows[8].of_raw_per_cpu.median == rows[32].of_raw_per_cpu.median == pytest.approx(0.9)
    raw = replace(alone.raw, batch_32_images_per_second=200.0)
    assert cell_figures([replace(alone, raw=raw)])[0].of_raw_per_cpu.median == pytest.approx(0.9)


def test_a_server_that_used_no_time_has_no_such_ratio() -> None:
    assert math.isnan(cell_figures([make_sample(cpu=0.0)])[0].of_raw_per_cpu.median)


def test_a_cell_that_was_not_measured_has_no_figures() -> None:
    assert find_figures(cell_figures([make_sample()]), "mosec", "raw", "fp32", 32) is None

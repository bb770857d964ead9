from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.common.reference import time_calls
from benchmarks.saliency.bench import MEASUREMENTS, ratios
from tests.benchmarks.commands import run
from tests.benchmarks.test_wrk import needs_wrk

TIMES_MS = {
    "forward": 2.0,
    "gradient": 5.0,
    "served picture": 8.0,
    "captum": 250.0,
    "captum bf16": 200.0,
    "path": 100.0,
    "served path": 150.0,
}


def test_ratios_are_those_of_measured_times() -> None:
    assert ratios(TIMES_MS) == {
        "served saliency, PNG, of one image over its fp32 forward time": 4.0,
        "the gradient graph alone over the same": 2.5,
        "integrated gradients, 32 steps, over the faster of torch + captum in fp32 and bf16: served": 0.75,
        "integrated gradients, 32 steps, over the faster of torch + captum in fp32 and bf16: the graph alone": 0.5,
    }
    assert ratios({"batch": 45.0, "triton": 60.0}) == {
        "tritonclient infer, batch 32 uint8, images/s over onnxruntime's": 0.75
    }


def test_time_calls_measures_at_least_three_calls() -> None:
    calls: list[int] = []
    assert len(time_calls(lambda: calls.append(1), 0.0).seconds) == 3
    assert len(calls) > 3


@pytest.mark.slow
@pytest.mark.full
@needs_wrk
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the service and the load each need a core")
def test_short_run_measures_every_part(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    printed = run("saliency", "--family", "mlp", "--rounds", "1", "--seconds", "0.2", "--out", str(out))
    figures = json.loads(out.read_text())
    assert {f"{name}, ms" for name in MEASUREMENTS} <= figures.keys()
    assert figures["explanations/s meanwhile"][0] > 0
    assert "tritonclient" in printed

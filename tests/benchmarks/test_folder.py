from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.commands import start


@pytest.mark.slow
def test_command_is_compared_with_its_engine(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    options = ["--images", "40", "--rounds", "1", "--threads", "1", "--engine", "cpu-fp32", "--family", "mlp"]
    with start("folder", *options, "--out", str(out)) as process:
        printed, errors = process.communicate(timeout=280)
    # So few files do not reach the goal: starting takes longer than predicting.
    assert process.returncode == 1, errors
    assert "not met" in printed
    figures = {name: values[0] for name, values in json.loads(out.read_text()).items()}
    alone, command = figures["cpu fp32: images/s of the engine"], figures["cpu fp32: files/s of duet predict"]
    assert figures["cpu fp32: files/s over images/s of the engine"] == pytest.approx(command / alone)
    assert figures["cpu fp32: start of duet predict, s"] > 0


@pytest.mark.slow
def test_unknown_engine_is_refused() -> None:
    with start("folder", "--engine", "gpu-fp64") as process:
        _, errors = process.communicate(timeout=280)
    assert process.returncode == 1
    assert "--engine gpu-fp64: choose from cpu-fp32" in errors

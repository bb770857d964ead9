from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.commands import run


@pytest.mark.slow
@pytest.mark.full
def test_one_round_measures_memory_and_starts(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    run("idle", "--rounds", "1", "--out", str(out))
    figures = json.loads(out.read_text())
    total = figures.pop("PSS of all processes, MB")[0]
    parts = {name: values[0] for name, values in figures.items() if name.startswith("PSS of ")}
    assert {"PSS of API, MB", "PSS of broker, MB", "PSS of worker, MB"} <= parts.keys()
    assert total == pytest.approx(sum(parts.values()))
    assert figures["start to first answer, s: with broker and worker"][0] > 0

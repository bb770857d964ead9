from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.scrape.bench import FRESH, HANGING
from tests.benchmarks.commands import run


@pytest.mark.full
def test_scrapes_are_measured(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    printed = run("scrape", "--jobs", "230", "--files", "50", "--rounds", "2", "--out", str(out))
    assert "230 jobs, of which 200 are queued and 20 run" in " ".join(printed.split())
    figures = json.loads(out.read_text())
    assert len(figures[FRESH]) == 2
    # The broker does not respond, and the scrape waits for it only so long.
    assert figures[HANGING][0] >= 1000
    assert figures["count of the data set, CPU time, ms"][0] > 0
    assert figures["size of the metrics, kB"][0] > 5

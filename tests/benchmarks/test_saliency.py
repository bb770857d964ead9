"""The benchmark of explanations: its verdicts, and every part of it over the shipped mlp. No figure is judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.saliency.bare import times
from benchmarks.saliency.child import child
from benchmarks.saliency.crowd import Crowd
from benchmarks.saliency.goals import figures, judge
from benchmarks.saliency.run import Results
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.processes import ROOT

needs_two_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the service and the load each need one")


def one_round(slower: float = 1.0) -> dict[str, list[float]]:
    return {
        "forward": [0.001 * slower, 0.002 * slower, 0.9],
        "gradient": [0.005 * slower] * 3,
        "served picture": [0.008 * slower] * 3,
        "captum": [0.2 * slower],
        "path": [0.1 * slower],
        "served path": [0.15 * slower],
        "batch": [0.045 * slower],
        "triton": [0.060 * slower],
    }


def test_ratios_are_of_medians_within_a_round() -> None:
    results = Results(
        "cnn@1", [one_round(), one_round(4), one_round(2)], [Crowd(500, 10, 15, 7, 0.0), Crowd(500, 10, 30, 7, 0.25)]
    )
    goals = {goal.what: (goal.measured, goal.met) for goal in judge(results)}
    assert list(goals.values()) == [
        ("4.00", True),
        ("2.50", None),
        ("0.75", False),
        ("0.50", True),
        ("2.25 (1.50..3.00)", False),
        ("0.12 (0.00..0.25)", False),
        ("0.75", False),
    ]
    told = dict(figures(results))
    assert told["forward, ms"] == "4.00 (2.00..8.00)"
    assert told["p99 beside explanations, ms"] == "22.50 (15.00..30.00)"


def test_only_what_was_measured_is_judged() -> None:
    measured = {name: taken for name, taken in one_round().items() if name in ("batch", "triton")}
    [goal] = judge(Results("cnn@1", [measured]))
    assert "tritonclient" in goal.what


def test_a_call_is_timed_at_least_three_times() -> None:
    calls: list[int] = []
    assert len(times(lambda: calls.append(1), 0.0)) == 3
    assert len(calls) > 3


def test_a_child_that_cannot_measure_says_so(tmp_path: Path) -> None:
    with child(tmp_path, core=min(os.sched_getaffinity(0))) as bare, pytest.raises(BenchmarkError, match="forward"):
        bare.times("forward", 0.1)


@pytest.mark.slow
@needs_two_cores
@pytest.mark.full
def test_a_short_run_measures_every_part(tmp_path: Path) -> None:
    out, page = tmp_path / "out.json", tmp_path / "out.md"
    options = ["--family", "mlp", "--rounds", "1", "--seconds", "0.2", "--out", str(out), "--markdown", str(page)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.saliency", *options],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("DUET_")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    content = json.loads(out.read_text())
    assert set(content["times"][0]) == set(one_round())
    assert all(len(taken) >= 3 for taken in content["times"][0].values())
    assert content["crowds"][0]["explained_per_second"] > 0
    for text in (done.stdout, page.read_text()):
        assert "tritonclient" in text
        assert "captum" in text


def test_a_folder_without_models_is_an_error_in_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.saliency", "--models", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("benchmarks.saliency: ")
    assert "has no champion of cnn" in done.stderr

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.common.report import (
    BenchmarkError,
    Goal,
    TextTable,
    check_goals,
    choose,
    columns_table,
    figure_tables,
    percentile,
    report,
    summary,
)

GOALS = (Goal("ratio, *", ">=", 0.9), Goal("p99, ms", "<=", 100))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, 1.0, 2.0], "2 (1..3)"),
        ([0.9], "0.90"),
        ([0.88, 0.95, 0.89], "0.89 (0.88..0.95)"),
        ([12.34, 56.78], "34.6 (12.3..56.8)"),
        ([1234.5, 1233.4, 1240.2], "1,234 (1,233..1,240)"),
        ([0], "0"),
        ([float("nan")], "nan"),
    ],
)
def test_summary_shows_median_and_range(values: list[float], expected: str) -> None:
    assert summary(values) == expected


@pytest.mark.parametrize(("percent", "expected"), [(1, 1.0), (50, 50.0), (99, 99.0), (100, 100.0)])
def test_percentile_is_nearest_rank(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


def test_percentile_of_few_values_is_the_highest() -> None:
    assert percentile([1.0, 2.0, 30.0], 99) == 30.0
    assert math.isnan(percentile([], 50))


def test_check_goals_compares_medians() -> None:
    verdicts = check_goals(GOALS, {"p99, ms": [90, 101, 102], "ratio, fp32": [0.88, 0.9, 0.95], "other": [1]})
    assert [(one.name, one.goal, one.met) for one in verdicts] == [
        ("p99, ms", "<= 100", False),
        ("ratio, fp32", ">= 0.9", True),
    ]


def test_goal_is_missed_by_nan() -> None:
    assert not Goal("x", "<=", 1).met([float("nan")])
    assert not Goal("x", ">=", 1).met([float("nan")])


def test_figure_tables_separate_figures_with_goals() -> None:
    plain, goals = figure_tables("Figures", {"p99, ms": [50], "images": [3]}, GOALS)
    assert plain.rows == (("images", "3"),)
    assert goals.rows == (("p99, ms", "<= 100", "50", "met"),)


def test_columns_table_has_a_row_per_key() -> None:
    table = columns_table("T", ("key",), {("a",): {"x": [1, 2, 3]}, ("b",): {"x": [4]}})
    assert table == TextTable("T", ("key", ">x"), (("a", "2 (1..3)"), ("b", "4")))


def test_report_writes_the_printed_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, page = tmp_path / "out.json", tmp_path / "out.md"
    report("Head.", [TextTable("T", ("what", ">n"), (("a", "1.25"),))], {"a": [1.25]}, out=out, markdown=page)
    assert json.loads(out.read_text()) == {"a": [1.25]}
    assert page.read_text() == "Head.\n\n### T\n\n| what | n |\n|---|---:|\n| a | 1.25 |\n"
    printed = capsys.readouterr().out
    assert "Head." in printed
    assert "1.25" in printed


def test_choose_keeps_the_known_order() -> None:
    assert choose("--body", " raw,, multipart", ("multipart", "raw")) == ("multipart", "raw")
    assert choose("--body", "", ("multipart", "raw")) == ("multipart", "raw")
    with pytest.raises(BenchmarkError, match="--body json: choose from multipart, raw"):
        choose("--body", "json", ("multipart", "raw"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_command_stops_on_signals_in_the_background(number: signal.Signals) -> None:
    """A shell makes its background commands ignore SIGINT, and they inherit that."""
    program = (
        "import time; from benchmarks.common.report import run_command\n"
        "def main() -> None:\n    print('started', flush=True); time.sleep(60)\n"
        "run_command('benchmark', main)"
    )
    command = ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        assert process.wait(50) == 130

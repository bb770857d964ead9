from __future__ import annotations

import json
import math
import os
import signal
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from benchmarks.common.http import Answer
from benchmarks.common.inputs import CPU, Engine
from benchmarks.common.open_loop import Outcome
from benchmarks.common.report import BenchmarkError, SkippedError, check_goals
from benchmarks.common.wrk import Load
from benchmarks.serving import capture, tracing
from benchmarks.serving.bench import Plan, client_count, make_plan
from benchmarks.serving.overload import retry_after_ms, summarize
from benchmarks.serving.process import arrangements
from benchmarks.serving.results import (
    GOALS,
    Cell,
    Results,
    cell_figures,
    goal_figures,
    race_figures,
)
from benchmarks.serving.results import tables as report_tables
from tests.benchmarks.commands import is_running, run, start
from tests.benchmarks.test_wrk import needs_wrk
from tests.support.onnx_models import write_onnx_version
from tests.support.versions import write_aliases

BF16 = Engine("openvino", "bf16")
OK = Answer(200, b"HTTP/1.1 200 OK", b"{}")
CAPACITY = Load(answered=50, errors=0, seconds=5.0, p50_ms=90.0, p99_ms=100.0)
RAW = {
    "batch 1, ms": 2.0,
    "batch 32, images/s": 400.0,
    "batch 32, images per CPU s": 400.0,
    "share of the core, %": 99.0,
}
needs_two_cores = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="the server and the load each need a core"
)


def load(per_second: float, *, p50_ms: float = 80.0, p99_ms: float = 100.0, errors: int = 0) -> Load:
    return Load(round(5 * per_second), errors, 5.0, p50_ms, p99_ms)


def figures(*rounds: dict[str, float]) -> dict[str, list[float]]:
    return {name: [found[name] for found in rounds] for name in rounds[0]}


def test_cell_figures_are_ratios_to_onnxruntime_alone() -> None:
    found = cell_figures(load(360, p50_ms=2.5, p99_ms=5.0, errors=3), RAW, 1.0)
    assert found["requests/s"] == 360
    assert found["/ raw batch 32"] == pytest.approx(0.9)
    assert found["/ raw batch 1"] == pytest.approx(1.25)
    assert found["p99 / p50"] == pytest.approx(2.0)
    assert found["errors"] == 3


def test_cell_figures_ignore_other_load_on_the_core() -> None:
    # Another process takes half of the core from the server, but not from onnxruntime.
    assert cell_figures(load(180), RAW, 0.5)["per CPU s"] == pytest.approx(0.9)
    assert math.isnan(cell_figures(load(180), RAW, 0.0)["per CPU s"])


def test_goals_are_checked_for_duet_alone() -> None:
    slow = cell_figures(load(352, errors=1), RAW, 1.0)
    cells: dict[Cell, dict[str, list[float]]] = {
        (CPU, 32, "duet", "multipart"): figures(slow, cell_figures(load(380, errors=1), RAW, 1.0), slow),
        (CPU, 32, "naive", "multipart"): figures(slow),
        (BF16, 1, "duet", "multipart"): figures(cell_figures(load(380, p50_ms=2.5), RAW, 1.0)),
    }
    results = Results(raw={("cpu fp32",): figures(RAW)}, cells=cells)
    verdicts = {one.name: (one.measured, one.met) for one in check_goals(GOALS, goal_figures(results))}
    assert verdicts == {
        "/ raw batch 32: cpu fp32, 32 clients, duet multipart": ("0.88 (0.88..0.95)", False),
        "/ raw batch 1: openvino bf16, 1 clients, duet multipart": ("1.25", False),
        "errors of duet": ("3", False),
    }
    assert [table.title for table in report_tables(results, goal_figures(results))] == [
        "onnxruntime alone, one thread",
        "Closed loop",
        "Goals",
    ]


def test_race_has_the_default_of_users_and_the_same_engine() -> None:
    loads = {
        (CPU, 32, "duet", "multipart"): load(220),
        (CPU, 32, "mosec", "raw"): load(200),
        (BF16, 32, "duet", "multipart"): load(1100),
        (BF16, 32, "mosec", "raw"): load(1000),
        (CPU, 1, "naive", "multipart"): load(100),
    }
    assert race_figures(loads, BF16) == {  # type: ignore[arg-type]
        "duet with default settings / mosec on cpu fp32: 32 clients": pytest.approx(5.5),
        "duet / mosec on the same engine: cpu fp32, 32 clients": pytest.approx(1.1),
        "duet / mosec on the same engine: openvino bf16, 32 clients": pytest.approx(1.1),
    }


def test_tracing_ratios_compare_throughput_and_cpu_time() -> None:
    traced = [(load(98), 5.0), (load(100), 5.0)]
    without = [(load(99), 4.9), (load(101), 5.1)]
    assert tracing.ratios(traced, without) == {
        tracing.THROUGHPUT: pytest.approx(0.99),
        tracing.CPU: pytest.approx((10 / 990) / (10 / 1000)),
    }


def test_capture_ratios_compare_the_means_of_both_loads() -> None:
    with_capture = [load(95, p99_ms=110), load(97, p99_ms=100)]
    without = [load(100, p99_ms=100), load(100, p99_ms=100)]

    assert capture.ratios(with_capture, without) == pytest.approx((0.96, 1.05))


def test_arrangements_compare_processes_and_threads_on_the_cores_there_are() -> None:
    assert list(arrangements(3)) == [(1, 1, 1), (2, 1, 2), (2, 2, 1)]
    assert list(arrangements(8))[3:] == [(4, 1, 4), (4, 4, 1)]


def test_groups_hold_comparable_cells_and_rotate() -> None:
    plan = Plan(clients=(1, 32))
    pairs = [("duet", "multipart"), ("naive", "multipart"), ("mosec", "raw")]
    assert list(plan.groups(0, [CPU])) == [[(CPU, clients, *pair) for pair in pairs] for clients in (1, 32)]
    firsts = [next(plan.groups(round_, [CPU, BF16]))[0][2:] for round_ in range(4)]
    assert firsts == [*pairs, pairs[0]]
    assert [cells[0][2:] for cells in Plan(servers=("duet",), bodies=("raw",)).groups(0, [BF16])] == [
        ("duet", "raw")
    ] * 2


def test_make_plan_with_servers_alone_means_their_closed_loop() -> None:
    plan = make_plan(["mosec", "duet"], quick=False)
    assert (plan.servers, plan.parts) == (("duet", "mosec"), ("load",))
    plan = make_plan(["start", "load"], quick=True)
    assert (len(plan.servers), plan.parts, plan.rounds) == (3, ("load", "start"), 1)


@pytest.mark.parametrize("text", ["0", "-1", "1025", "many", "1.5"])
def test_client_count_is_bounded(text: str) -> None:
    with pytest.raises(BenchmarkError, match="--clients"):
        client_count(text)
    assert client_count("1024") == 1024


def rejection(header: str | None = "1", milliseconds: object = 700) -> Answer:
    head = "HTTP/1.1 429 Too Many Requests" + (f"\r\nRetry-After: {header}" if header is not None else "")
    return Answer(429, head.encode(), json.dumps({"retry_after_ms": milliseconds}).encode())


def outcome(due: float, answer: Answer | None = OK, *, after: float = 0.1, late: float = 0.0) -> Outcome:
    return Outcome(due, due + late, due + after if answer else float("nan"), answer, None)


def test_summarize_ignores_the_first_fifth() -> None:
    outcomes = [outcome(second / 2, after=3.0 if second < 4 else 0.2) for second in range(20)]
    found = summarize(outcomes, CAPACITY, seconds=10.0)
    # 16 requests are due in the last eight seconds; four more are answered then, but were due before.
    assert found["offered/s"] == pytest.approx(2.0)
    assert found["accepted/s"] == pytest.approx(20 / 8)
    assert found["accepted / capacity"] == pytest.approx(0.25)
    assert found["p99 accepted / at capacity"] == pytest.approx(2.0)


def test_summarize_counts_latency_from_the_due_time() -> None:
    found = summarize([outcome(5.0, after=0.3, late=0.01), outcome(9.9, after=0.5)], CAPACITY, seconds=10.0)
    assert found["accepted/s"] == pytest.approx(1 / 8)
    assert found["p50 accepted, ms"] == pytest.approx(300)
    assert found["p99 accepted, ms"] == pytest.approx(500)


def test_summarize_rejects_a_late_generator() -> None:
    with pytest.raises(SkippedError, match="50 ms late"):
        summarize([outcome(5.0, late=0.05)], CAPACITY, seconds=10.0)


def test_summarize_counts_everything_but_2xx_and_429_as_errors() -> None:
    rejections = [*[outcome(5.0, rejection(), after=0.01)] * 7, outcome(5.0, rejection(header=None))]
    failures = [outcome(5.0, Answer(504, b"HTTP/1.1 504 Late", b"{}")), outcome(5.0, None)]
    found = summarize([outcome(5.0), outcome(5.0), *rejections, *failures], CAPACITY, seconds=10.0)
    assert found["429, %"] == pytest.approx(100 * 8 / 12)
    assert found["neither 2xx nor 429"] == 2
    assert found["429 with a consistent Retry-After, %"] == pytest.approx(100 * 7 / 8)
    assert found["retry_after_ms, median"] == 700
    assert found["p50 accepted, ms"] == pytest.approx(100)


@pytest.mark.parametrize(("header", "milliseconds"), [("1", 1), ("1", 1000), ("2", 1001), ("60", 60_000)])
def test_retry_after_is_read(header: str, milliseconds: int) -> None:
    assert retry_after_ms(rejection(header, milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("header", "milliseconds"),
    [(None, 700), ("1", None), ("1", "700"), ("1", 0), ("1", 1001), ("2", 700), ("soon", 700), ("61", 60_001)],
)
def test_retry_after_that_is_inconsistent_is_none(header: str | None, milliseconds: object) -> None:
    assert retry_after_ms(rejection(header, milliseconds)) is None
    assert retry_after_ms(Answer(429, b"HTTP/1.1 429 No\r\nRetry-After: 1", b"busy")) is None


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of versions with two tiny champions."""
    folder = tmp_path / "models"
    write_onnx_version(folder / "cnn" / "1", "cnn", 1, size=32)
    write_onnx_version(folder / "mlp" / "1", "mlp", 1, size=32, inverted=True)
    write_aliases(folder, cnn=1, mlp=1)
    return folder


@pytest.mark.slow
@needs_wrk
@needs_two_cores
@pytest.mark.full
def test_quick_run_measures_every_part(models: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "out.json", tmp_path / "out.md"
    options = ["--quick", "--clients", "1,8", "--out", str(out), "--markdown", str(page)]
    printed = run("serving", "--models", str(models), *options)
    content = json.loads(out.read_text())
    assert {"cpu fp32 8 duet multipart", "cpu fp32 8 naive multipart"} <= content["closed_loop"].keys()
    assert ("cpu fp32 8 mosec raw" in content["closed_loop"]) == (find_spec("mosec") is not None)
    assert content["figures"]["resident memory with 2 champion(s), MB"][0] > 10
    for text in (printed, page.read_text()):
        assert "Closed loop" in text
        assert "Several cores" in text


@pytest.mark.full
@needs_wrk
@needs_two_cores
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_run_stops_its_servers(models: Path, number: signal.Signals) -> None:
    with start("serving", "--models", str(models), "--only", "duet", "--clients", "8", "--rounds", "9") as process:
        assert process.stderr
        assert "requests/s" in process.stderr.readline()  # the first cell: its server runs
        family = psutil.Process(process.pid).children(recursive=True)
        assert any("serve" in one.cmdline() for one in family)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 130
    end = time.monotonic() + 10
    while any(map(is_running, family)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(is_running, family))


def test_folder_without_models_is_a_clear_error(tmp_path: Path) -> None:
    with start("serving", "--models", str(tmp_path), "--quick") as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert error == (
        f"benchmarks.serving: {tmp_path} has no champion of cnn: pass a folder of model versions with --models\n"
    )

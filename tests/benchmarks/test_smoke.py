"""The whole benchmark over a tiny model: every part runs, and nothing is left running. No figure is judged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.serving.processes import ROOT, session_pids
from tests.benchmarks.test_wrk import needs_wrk
from tests.support.onnx_models import write_onnx_version
from tests.support.versions import write_aliases

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the server and the load each need a core"),
]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of versions with two tiny champions."""
    folder = tmp_path / "models"
    write_onnx_version(folder / "cnn" / "1", "cnn", 1, size=32)
    write_onnx_version(folder / "mlp" / "1", "mlp", 1, size=32, inverted=True)
    write_aliases(folder, cnn=1, mlp=1)
    return folder


def start(models: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serving", "--models", str(models), *options],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("DUET_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children_of(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_a_quick_run_measures_every_part(models: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "out.json", tmp_path / "out.md"
    with start(models, "--quick", "--clients", "1,8", "--out", str(out), "--markdown", str(page)) as process:
        printed, progress = process.communicate(timeout=240)
    assert process.returncode == 0, progress
    content = json.loads(out.read_text())
    cells = {(sample["cell"]["target"], sample["cell"]["body"]) for sample in content["samples"]}
    assert {("duet", "multipart"), ("duet", "raw"), ("naive", "multipart")} <= cells
    left_out = "\n".join(content["left_out"])
    assert (("mosec", "raw") in cells) == (find_spec("mosec") is not None) == ("Mosec is not installed" not in left_out)
    assert "int8: cnn@1 has no int8 graph" in left_out
    assert all(sample["load"]["answered"] > 0 for sample in content["samples"])
    assert len(content["costs"]["start_seconds"]) == 1
    assert content["costs"]["memory_loaded"]["rss_mb"] > 10
    for text in (printed, page.read_text()):
        assert "Closed loop" in text
        assert "Goals" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.full)])
@pytest.mark.parametrize("generator", ["python", pytest.param("wrk", marks=needs_wrk)])
def test_an_interrupted_run_stops_its_servers(models: Path, generator: str, number: signal.Signals) -> None:
    options = ["--only", "duet", "--clients", "8", "--seconds", "60", "--generator", generator]
    with start(models, *options) as process:
        assert process.stderr
        # The first line of progress is onnxruntime's own speed, when all servers have been started.
        assert "onnxruntime" in process.stderr.readline()
        sessions = children_of(process.pid)
        assert any(session_pids(session) for session in sessions)
        time.sleep(2)  # into the load
        process.send_signal(number)
        process.communicate(timeout=40)
    assert process.returncode == 130
    end = time.monotonic() + 10
    while any(session_pids(session) for session in sessions) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(session_pids(session) for session in sessions)


def test_a_folder_without_models_is_an_error_in_a_sentence(tmp_path: Path) -> None:
    with start(tmp_path, "--quick") as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == (f"benchmarks.serving: {tmp_path} has no champion of cnn: name a folder of versions with --models\n")

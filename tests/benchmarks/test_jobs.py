"""The benchmark of jobs: its verdicts, its client of event streams, and every part of it. No figure is judged."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.jobs.goals import figures, judge
from benchmarks.jobs.results import Asked, Begun, Pair, Results
from benchmarks.jobs.stream import JobStream
from benchmarks.jobs.training import small_training
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import HOST
from benchmarks.serving.processes import ROOT
from core.images.labelled_folders import read_folder
from core.jobs.parameters import TrainParameters


def pair(alone_ms: float, beside_ms: float) -> Pair:
    return Pair(Asked(100, 1.0, alone_ms), Asked(100, 2.0, beside_ms), steps_per_second=4.0)


def test_what_was_measured_is_judged_by_medians_and_ratios_within_a_round() -> None:
    results = Results(
        begun=[Begun("first", 600, 5000), *(Begun("free", claimed, 4000) for claimed in (499, 10, 900))],
        pairs=[pair(10, 20), pair(1, 4), pair(4, 16)],
        heard_ms=[*([50.0] * 98), 210.0, 300.0],
        idle_worker_cpu=0.02,
    )
    goals = {goal.what: (goal.measured, goal.met) for goal in judge(results)}
    assert list(goals.values()) == [
        ("600", False),
        ("499 (10..900)", True),
        ("50", True),
        ("210", False),
        ("4.00 (2.00..4.00)", False),
        ("2.00", False),
    ]
    told = dict(figures(results))
    assert told["/predict beside a training, p99, ms"] == "16.00 (4.00..20.00)"
    assert told["claim to first step, ms: sent as the job before ends"] == "4,000"


def test_only_what_was_measured_is_judged() -> None:
    assert list(judge(Results())) == []
    [goal] = judge(Results(idle_worker_cpu=0.001))
    assert goal.met is True


@contextmanager
def streaming(*parts: bytes) -> Iterator[JobStream]:
    """A client of a server that answers with these bytes and then hangs up."""
    with socket.create_server((HOST, 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                for part in (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", *parts):
                    connection.sendall(part)

        thread = threading.Thread(target=answer)
        thread.start()
        yield JobStream(listener.getsockname()[1], "a" * 32)
        thread.join(30)


def test_a_stream_is_read_event_by_event() -> None:
    now = round(1000 * time.time())
    with streaming(
        b"retry: 2000\n\n",
        b'id: %d-0\ndata: {"event":"claimed"}\n\n: nothing new\n\n' % (now - 5000),
        b'id: %d-0\ndata: {"event":"st' % (now - 2000),
        b'age","name":"fit"}\n\n',
    ) as stream:
        assert stream.wait("claimed").stored_ms == now - 5000
        assert stream.wait("stage").event["name"] == "fit"
        assert stream.wait("stage").read_ms >= now
        [delay] = stream.delays_ms  # that of the worker's own event does not count
        assert delay >= 2000


def test_a_stream_that_ends_too_soon_says_what_it_told() -> None:
    with (
        streaming(b'id: 1-0\ndata: {"event":"failed","message":"no such data"}\n\n') as stream,
        pytest.raises(BenchmarkError, match=r"told no progress: the stream has ended.*no such data"),
    ):
        stream.wait("progress")


def test_without_real_data_a_small_data_set_is_drawn(tmp_path: Path) -> None:
    training = small_training("mlp_baseline", tmp_path, None)
    parameters = TrainParameters.model_validate(training.body)
    assert parameters.config().batch_size == 32
    folder = read_folder(tmp_path, parameters.data.partition(":")[2])
    assert folder.shortfalls() == []
    assert "600 drawn pictures" in training.words
    assert small_training("mlp_baseline", tmp_path / "other", Path("data")).body["data"] == "cifar10"
    assert not (tmp_path / "other").exists()


def command(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.jobs", *options],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("DUET_")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.full
def test_a_quick_run_measures_every_part(tmp_path: Path) -> None:
    out, page = tmp_path / "out.json", tmp_path / "out.md"
    options = ["--recipe", "mlp_baseline", "--family", "mlp", "--job-nice", "0", "--quick"]
    done = command(*options, "--out", str(out), "--markdown", str(page))
    assert done.returncode == 0, done.stderr
    content = json.loads(out.read_text())
    assert [begun["circumstance"] for begun in content["begun"]] == ["first", "free", "queued"]
    assert all(begun["first_step_ms"] > 0 for begun in content["begun"])
    [measured] = content["pairs"]
    assert measured["alone"]["count"] == measured["beside"]["count"] > 10  # of the same schedule
    assert len(content["heard_ms"]) > 10
    assert content["idle_worker_cpu"] < 1
    for text in (done.stdout, page.read_text()):
        assert "p99 of /predict beside a training" in text
        assert "waiting behind a job" in text


def test_a_folder_without_models_is_an_error_in_a_sentence(tmp_path: Path) -> None:
    done = command("--models", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("benchmarks.jobs: ")
    assert "has no champion of cnn" in done.stderr

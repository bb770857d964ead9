from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.common.report import BenchmarkError
from benchmarks.jobs.bench import JobStream, small_training
from core.images.labelled_folders import read_folder
from core.jobs.parameters import TrainParameters
from duet import Client
from tests.benchmarks.commands import run

JOB = "a" * 32
FINISHED = '"event":"finished","state":"failed"'


@contextmanager
def streaming(*messages: tuple[float, str]) -> Iterator[JobStream]:
    """Read a stream of events, each with its time in seconds since 1970."""
    lines = []
    for number, (at, fields) in enumerate(messages):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at))
        lines.append(f'id: {number}-0\ndata: {{"at":"{stamp}","attempt":1,"token":1,{fields}}}\n\n')

    def answer(request: httpx.Request) -> httpx.Response:
        if "last-event-id" in request.headers:
            return httpx.Response(204)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, text="".join(lines))

    with Client(transport=httpx.MockTransport(answer)) as client:
        yield JobStream(client, JOB)


def test_stream_measures_delays_of_events_of_the_child() -> None:
    now = int(time.time())
    messages = ((now - 5, '"event":"submitted"'), (now - 2, '"event":"note","text":"x"'), (now, FINISHED))
    with streaming(*messages) as stream:
        assert stream.wait("submitted").stored_ms == 1000 * (now - 5)
        assert stream.wait("note").read_ms >= 1000 * now
        [delay_ms] = stream.delays_ms()  # the event of the API does not count
    assert delay_ms >= 2000


def test_stream_that_ends_early_reports_its_last_events() -> None:
    with (
        streaming((0, FINISHED)) as stream,
        pytest.raises(BenchmarkError, match=r"sent no progress: the stream ended.*finished"),
    ):
        stream.wait("progress")


def test_small_training_draws_a_data_set_without_cifar10(tmp_path: Path) -> None:
    training = small_training("mlp_baseline", tmp_path, real_data=False)
    parameters = TrainParameters.model_validate(training)
    assert parameters.config().batch_size == 32
    assert read_folder(tmp_path, parameters.data.partition(":")[2]).shortfalls() == []
    assert small_training("mlp_baseline", tmp_path / "other", real_data=True)["data"] == "cifar10"
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
@pytest.mark.full
def test_quick_run_measures_every_part(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    options = ["--recipe", "mlp_baseline", "--family", "mlp", "--job-nice", "0", "--quick", "--out", str(out)]
    printed = run("jobs", *options)
    figures = json.loads(out.read_text())
    claims = [name for name in figures if name.startswith("to the claim")]
    assert len(claims) == 3
    assert all(values[0] > 0 for name, values in figures.items() if name.startswith("claim to first step"))
    assert figures["CPU of the idle worker, % of a core"][0] < 100
    assert "event stored to read by a client, p99, ms" in figures
    assert "p99 of /predict beside a training" in printed

"""Shadow trials of real processes: several API processes, and a kill in the middle."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from core.schemas.shadow import ShadowTrial
from service.traffic.reader import TrafficReader
from tests.support.onnx_models import gray_png, write_onnx_version
from tests.support.service import service_process, write_home

pytestmark = pytest.mark.slow
KEYS = f"admin:{'a' * 16},feedback:{'f' * 16}"
PLAN = {"version": 2, "share": 1.0, "label_budget": 100, "use_feedback": True}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_onnx_version(write_home(tmp_path) / "cnn" / "2", "cnn", 2, inverted=True)
    return tmp_path


def start(url: str) -> ShadowTrial:
    response = httpx.post(f"{url}/models/cnn/shadow", json=PLAN, headers={"x-api-key": "a" * 16})
    assert response.status_code == 200, response.text
    return ShadowTrial.model_validate_json(response.content)


def trial_at(url: str) -> ShadowTrial:
    return ShadowTrial.model_validate_json(httpx.get(f"{url}/models/cnn/shadow").content)


def predict(url: str, number: int) -> None:
    headers = {"content-type": "image/png", "x-request-id": f"r{number}"}
    answered = httpx.post(f"{url}/predict", content=gray_png(255 * (number % 2)), headers=headers)  # new connection
    assert answered.json()["predictions"][0]["label"] == ("white" if number % 2 else "black")


def label(url: str, numbers: range) -> int:
    labels = [{"id": f"r{number}", "label": "black" if number % 2 else "white"} for number in numbers]
    answered = httpx.post(f"{url}/feedback", json={"labels": labels}, headers={"x-api-key": "f" * 16})
    return int(answered.json()["stored"])


def stored(home: Path) -> int:
    return len(list(TrafficReader(home).read_all()))


def wait(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


@pytest.mark.full
def test_trial_of_one_process_runs_in_all_and_gives_one_verdict(home: Path) -> None:
    with service_process(home, DUET_WORKERS="2", DUET_THREADS="1", DUET_API_KEYS=KEYS) as service:
        begun = start(service.url)
        folder = home / "trials" / begun.id
        sent = 0
        while len(list(folder.glob("counts-*"))) < 2 or stored(home) < 20:  # until both processes have compared
            predict(service.url, sent)
            sent += 1
        assert label(service.url, range(sent)) >= 20
        wait(lambda: not trial_at(service.url).running)
        ends = [trial_at(service.url) for _ in range(8)]  # of both processes
        assert {each.end for each in ends} == {ends[0].end}
        assert ends[0].result.verdict == "challenger_better"
        assert ends[0].result.counts.challenger_right == 15
        service.terminate()
        assert service.wait() == 0


def test_trial_goes_on_after_a_kill(home: Path) -> None:
    with service_process(home, DUET_API_KEYS=KEYS) as service:
        begun = start(service.url)
        for number in range(10):
            predict(service.url, number)
        wait(lambda: trial_at(service.url).result.counts.disagreements == 10)
        wait(lambda: stored(home) == 10)
        assert label(service.url, range(10)) == 10
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait(30)
    with service_process(home, DUET_API_KEYS=KEYS) as service:
        again = trial_at(service.url)
        assert (again.id, again.running, again.result.counts.challenger_right) == (begun.id, True, 10)
        sent = 10
        while stored(home) < 20:  # the challenger may still be loaded
            predict(service.url, sent)
            sent += 1
        assert label(service.url, range(10, sent)) >= 10
        wait(lambda: not trial_at(service.url).running)
        assert trial_at(service.url).result.counts.challenger_right == 15
        service.terminate()
        assert service.wait() == 0

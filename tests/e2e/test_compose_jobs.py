"""The worker in its container: what it learns is trained, watched, promoted and rolled back over HTTP alone."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.compose import Stack, running_stack, why_not
from tests.support.labelled_folders import picture

if reason := why_not():
    pytest.skip(reason, allow_module_level=True)
pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1800)]
CLASSES = ("grass", "night", "sand")
IMAGES = 24
TINY = {"epochs": 2, "batch_size": 16}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack("redis", "api", "worker") as stack:
        yield stack


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    """A client with the key that the service has made for itself."""
    code, output = stack.in_api("duet", "key")
    assert code == 0, output
    with httpx.Client(base_url=stack.url, headers={"X-API-Key": output.split()[-1]}, timeout=60) as client:
        yield client


def zipped_pictures() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for label in CLASSES:
            for number in range(IMAGES):
                archive.writestr(f"{label}/{number}.png", picture(label, number))
    return stream.getvalue()


def train(client: httpx.Client, seed: int, promote: str) -> str:
    """Ask for a training; where its job is."""
    asked = {
        "recipe": "mlp_baseline",
        "data": "folder:colours",
        "family": "colours",
        "seed": seed,
        "overrides": TINY,
        "promote": promote,
    }
    answer = client.post("/train", json=asked)
    assert answer.status_code == 202, answer.text
    return answer.headers["Location"]


def watch(client: httpx.Client, job: str) -> list[dict[str, Any]]:
    """All events of a job, as they come, until it has ended."""
    with client.stream("GET", f"{job}/events", timeout=600) as stream:
        assert stream.status_code == 200
        return [json.loads(line.removeprefix("data:")) for line in stream.iter_lines() if line.startswith("data:")]


def champion(client: httpx.Client) -> int | None:
    models = client.get("/models").json()["models"]
    return next((model["champion"] for model in models if model["model"] == "colours"), None)


def test_train_watch_promote_and_roll_back(stack: Stack, client: httpx.Client) -> None:
    uploaded = client.post("/datasets/colours", content=zipped_pictures(), headers={"Content-Type": "application/zip"})
    assert uploaded.status_code == 200, uploaded.text

    events = watch(client, train(client, seed=1, promote="always"))
    kinds = [event["event"] for event in events]
    assert kinds[0] == "submitted"
    assert {"claimed", "epoch", "published", "promoted"} <= set(kinds)
    assert (kinds[-1], events[-1]["state"]) == ("finished", "succeeded")
    assert champion(client) == 1

    job = train(client, seed=2, promote="never")
    assert watch(client, job)[-1]["state"] == "succeeded"
    assert client.get(job).json()["state"] == "succeeded"
    assert champion(client) == 1
    promoted = client.post("/models/colours/versions/2/promote", json={"force": True, "reason": "to see it answer"})
    assert promoted.status_code == 200, promoted.text
    answered = client.post("/predict?model=colours", files={"file": ("night.png", picture("night", 99))}).json()
    assert answered["predictions"][0]["version"] == 2
    rolled_back = client.post("/models/colours/rollback", json={"reason": "seen"})
    assert rolled_back.status_code == 200, rolled_back.text
    assert champion(client) == 1


def test_a_job_goes_on_when_its_worker_is_stopped_and_the_broker_killed(stack: Stack, client: httpx.Client) -> None:
    job = train(client, seed=3, promote="never")
    while client.get(job).json()["state"] == "queued":
        time.sleep(0.05)
    stack.compose("stop", "worker")
    assert stack.inspect("{{.State.ExitCode}}", "worker") == "0"
    stack.compose("kill", "redis")
    stack.compose("up", "--detach", "redis", "worker")
    while client.get(job).json().get("state") != "succeeded":
        time.sleep(0.2)
    assert client.get(job).json()["attempt"] >= 1


def test_the_worker_is_nobody_in_particular_and_writes_to_its_volumes_alone(stack: Stack) -> None:
    assert stack.inside("worker", "id", "-u") == (0, "10001\n")
    assert (
        stack.inside("worker", "touch", "/tmp/scratch", "/var/lib/duet/scratch", "/var/lib/duet-data/scratch")[0] == 0
    )
    for place in ("/opt/duet/models", "/usr/local", "/etc"):
        code, output = stack.inside("worker", "touch", f"{place}/written")
        assert code != 0
        assert "Read-only file system" in output
    assert "CapEff:\t0000000000000000" in stack.inside("worker", "cat", "/proc/1/status")[1]


def test_nobody_outside_reaches_the_broker(stack: Stack) -> None:
    assert stack.inspect("{{json .NetworkSettings.Ports}}", "redis") in ('{"6379/tcp":null}', "{}")
    told = stack.inside("redis", "redis-cli", "config", "get", "append*")[1]
    assert "appendonly\nyes" in told
    assert "appendfsync\nalways" in told

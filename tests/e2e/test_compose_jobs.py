"""Worker container: train, follow, promote and roll back a version over HTTP."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.support.compose import Stack, champion, docker, train, watch, why_not
from tests.support.labelled_folders import picture

if reason := why_not():
    pytest.skip(reason, allow_module_level=True)
pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.usefixtures("colours")
def test_train_watch_promote_and_roll_back(client: httpx.Client) -> None:
    events = [event for _, event in watch(client, train(client, seed=1, promote="always"))]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "submitted"
    assert {"claimed", "epoch", "published", "promoted"} <= set(kinds)
    assert (kinds[-1], events[-1]["state"]) == ("finished", "succeeded")
    assert champion(client) == 1

    job = train(client, seed=2)
    assert watch(client, job)[-1][1]["state"] == "succeeded"
    assert client.get(job).json()["state"] == "succeeded"
    assert champion(client) == 1
    promoted = client.post("/models/colours/versions/2/promote", json={"force": True, "reason": "to see it answer"})
    assert promoted.status_code == 200, promoted.text
    answered = client.post("/predict?model=colours", files={"file": ("night.png", picture("night", 99))}).json()
    assert answered["predictions"][0]["version"] == 2
    rolled_back = client.post("/models/colours/rollback", json={"reason": "seen"})
    assert rolled_back.status_code == 200, rolled_back.text
    assert champion(client) == 1


@pytest.mark.usefixtures("colours")
def test_a_job_goes_on_when_its_worker_is_stopped_and_the_broker_killed(stack: Stack, client: httpx.Client) -> None:
    job = train(client, seed=3)
    while client.get(job).json()["state"] == "queued":
        time.sleep(0.05)
    (worker,) = stack.containers("worker")
    stack.compose("stop", "worker")
    assert docker("inspect", "--format", "{{.State.ExitCode}}", worker) == "0"
    stack.compose("kill", "redis")
    stack.up()
    assert watch(client, job)[-1][1]["state"] == "succeeded"
    assert client.get(job).json()["attempt"] >= 1

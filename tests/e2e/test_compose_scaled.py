"""Two api and two worker containers: distribution of work, and no loss when a container stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support.compose import Stack, champion, docker, inspect, train, watch
from tests.support.labelled_folders import picture

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1800)]

EPOCHS = 60
NOTICED_WITHIN_S = 30.0


@pytest.fixture(scope="module")
def scaled(stack: Stack) -> Iterator[Stack]:
    """Two of each; one of each again afterwards."""
    began = time.monotonic()
    stack.up("--scale", "api=2", "--scale", "worker=2")
    stack.figures["--scale api=2 --scale worker=2, all six healthy"] = f"{time.monotonic() - began:.1f} s"
    yield stack
    stack.up("--scale", "api=1", "--scale", "worker=1")


def test_both_apis_respond_at_one_address(scaled: Stack, client: httpx.Client) -> None:
    wait_until_both_answer(scaled, client)


def wait_until_both_answer(stack: Stack, client: httpx.Client) -> None:
    """Until each api has answered one of the requests that are sent here; no request may fail meanwhile."""
    apis = stack.containers("api")
    assert len(apis) == 2
    mark = f"spread-{time.monotonic_ns()}"
    give_up = time.monotonic() + NOTICED_WITHIN_S
    while not all(mark in docker("logs", api) for api in apis):
        assert time.monotonic() < give_up, "one of them was never asked"
        assert client.get("/models", headers={"X-Request-ID": mark}).status_code == 200
        time.sleep(0.25)


def test_stopping_an_api_fails_no_request(scaled: Stack, client: httpx.Client) -> None:
    wait_until_both_answer(scaled, client)
    statuses: list[int] = []
    enough = threading.Event()

    def ask() -> None:
        while not enough.is_set():
            answer = httpx.post(f"{scaled.url}/predict", files={"file": ("sand.png", picture("sand", 1))}, timeout=60)
            statuses.append(answer.status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        gone = scaled.containers("api")[0]
        docker("stop", gone)
        before = len(statuses)
        while len(statuses) < before + 20 and asking.is_alive():
            time.sleep(0.05)
    finally:
        enough.set()
        asking.join()
    assert len(statuses) >= 20
    assert set(statuses) == {200}
    assert inspect(gone)["State"]["ExitCode"] == 0
    docker("start", gone)
    scaled.wait_until_healthy(gone)


def test_killing_an_idle_api_fails_no_request(scaled: Stack, client: httpx.Client) -> None:
    wait_until_both_answer(scaled, client)
    gone = scaled.containers("api")[0]
    docker("kill", gone)
    answers = [client.post("/predict", files={"file": ("sand.png", picture("sand", 2))}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 6
    docker("start", gone)
    scaled.wait_until_healthy(gone)


@pytest.mark.usefixtures("colours")
def test_job_and_event_stream_survive_killed_containers(scaled: Stack, client: httpx.Client) -> None:
    wait_until_both_answer(scaled, client)
    job = train(client, seed=4, epochs=EPOCHS)
    seen = watch(client, job, until="epoch")
    worker = client.get(job).json()["worker"].partition(":")[0]
    gone = [name for name in scaled.containers("worker") if name.startswith(worker)] + scaled.containers("api")[:1]
    docker("kill", *gone)
    seen += watch(client, job, after=seen[-1][0])
    docker("start", *gone)
    for container in gone:
        scaled.wait_until_healthy(container)

    assert seen[-1][1]["state"] == "succeeded"
    record = client.get(job).json()
    assert len(gone) == 2
    assert record["attempt"] == 2
    assert not record["worker"].startswith(worker)
    names = [name for name, _ in seen]
    assert len(set(names)) == len(names)
    epochs = [event["epoch"] for _, event in seen if event["event"] == "epoch"]
    assert sorted(set(epochs)) == list(range(1, EPOCHS + 1))
    assert epochs == sorted(epochs)


@pytest.mark.usefixtures("colours")
def test_removing_all_containers_loses_nothing(scaled: Stack, client: httpx.Client) -> None:
    assert watch(client, train(client, seed=5, promote="always"))[-1][1]["state"] == "succeeded"
    before = known(scaled, client)
    scaled.compose("down")
    assert scaled.containers("api") == []
    began = time.monotonic()
    scaled.up("--scale", "api=2", "--scale", "worker=2")
    scaled.figures["all six removed and started again"] = f"{time.monotonic() - began:.1f} s"
    assert known(scaled, client) == before


def known(stack: Stack, client: httpx.Client) -> dict[str, object]:
    """Return the state that must survive the containers."""
    return {
        "key": stack.in_api("duet", "key"),
        "jobs": sorted((job["id"], job["state"], job["attempt"]) for job in client.get("/jobs").json()["jobs"]),
        "champion": champion(client),
        "versions": stack.in_api("duet", "models", "verify"),
        "data sets": client.get("/datasets").json(),
    }

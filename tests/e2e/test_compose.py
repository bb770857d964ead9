"""Containers of docker-compose.yml: service, proxy and worker."""

from __future__ import annotations

import json
import socket
import time

import httpx
import pytest
from PIL import Image

from core.repository.alias_files import read_aliases
from core.schemas.api import ProblemDetails
from tests.support.compose import ROOT, Stack, champion, docker, train, watch
from tests.support.labelled_folders import picture
from tests.support.pictures import encode, noise

PICTURE = encode(Image.fromarray(noise(480, 640)), "PNG")

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1800)]


def test_predicts_compares_and_explains_with_the_shipped_models(stack: Stack) -> None:
    predicted = httpx.post(f"{stack.url}/predict?model=cnn", files={"file": ("noise.png", PICTURE)}, timeout=60)
    assert predicted.status_code == 200, predicted.text
    answer = predicted.json()["predictions"][0]
    assert answer["model"] == "cnn"
    assert {"cropped to the center square", "resized from 480x480"} <= set(answer["notes"])
    compared = httpx.post(f"{stack.url}/compare", files={"file": ("noise.png", PICTURE)}, timeout=60)
    assert {each["model"] for each in compared.json()["predictions"]} == {"cnn", "mlp"}
    explained = httpx.post(
        f"{stack.url}/saliency?model=cnn&method=grad_cam", files={"file": ("noise.png", PICTURE)}, timeout=60
    )
    assert explained.status_code == 200, explained.text
    assert explained.headers["Content-Type"] == "image/png"
    compared_metrics = httpx.get(f"{stack.url}/metrics/compare", headers={"Accept": "application/json"}, timeout=60)
    assert compared_metrics.status_code == 200


def test_shows_the_web_pages(stack: Stack) -> None:
    page = httpx.get(stack.url, headers={"Accept": "text/html"}, follow_redirects=True)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("service", ["api", "worker"])
def test_image_has_all_files_of_packages_and_models(service: str, stack: Stack) -> None:
    for root, folders in (("/opt/duet/app", ("core", "duet", "service", "training")), ("/opt/duet", ("models",))):
        code, found = stack.inside(service, "sh", "-c", f"cd {root} && find {' '.join(folders)} -type f")
        assert code == 0, found
        assert set(found.split()) == files_of(*folders)


def files_of(*folders: str) -> set[str]:
    """The files of this checkout that belong in an image."""
    found = (file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file())
    names = {file.relative_to(ROOT).as_posix() for file in found if "__pycache__" not in file.parts}
    champions = read_aliases(ROOT / "models").champions
    kept = {f"models/{family}/{version}/" for family, version in champions.items()}
    families = tuple(f"models/{family}/" for family in champions)
    return {name for name in names if not name.startswith(families) or name.startswith(tuple(kept))}


def test_has_the_shipped_versions_whole(stack: Stack) -> None:
    code, output = stack.in_api("duet", "models", "verify")
    assert code == 0, output
    assert "cnn@" in output
    assert "mlp@" in output


def test_generated_key_is_in_the_log_and_in_duet_key(stack: Stack, client: httpx.Client) -> None:
    key = client.headers["X-API-Key"]
    assert f"API key for requests that change something: {key} (" in stack.compose("logs", "api")
    assert client.post("/session").status_code == 200


def test_proxy_forwards_large_bodies(stack: Stack) -> None:
    large = encode(Image.fromarray(noise(1800, 1800)), "PNG")
    assert len(large) > 8_000_000
    answer = httpx.post(f"{stack.url}/predict", content=large, headers={"Content-Type": "image/png"}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["notes"] == ["resized from 1800x1800"]


def test_proxy_passes_host_on_and_logs_the_client(stack: Stack, client: httpx.Client) -> None:
    assert client.post("/session", headers={"Host": "elsewhere.example"}).status_code == 403
    assert client.get("/models", headers={"X-Request-ID": "seen-by-the-proxy"}).status_code == 200
    told = [line.partition("{") for line in stack.compose("logs", "proxy").splitlines() if "seen-by-the-proxy" in line]
    (line,) = [json.loads(f"{{{rest}") for _, _, rest in told]
    gateway = next(iter(stack.inspect("proxy")["NetworkSettings"]["Networks"].values()))["Gateway"]
    assert (line["client"], line["method"], line["path"], line["status"]) == (gateway, "GET", "/models", 200)


def test_onnxruntime_sends_no_telemetry(stack: Stack) -> None:
    # It notes what it is about to send below the home folder of its user, where it is allowed to send anything.
    assert stack.in_api("find", "/var/lib/duet", "-name", ".cache") == (0, "")


def test_has_no_torch(stack: Stack) -> None:
    code, output = stack.in_api("python", "-c", "import torch")
    assert code == 1
    assert "No module named 'torch'" in output


def test_state_outlives_the_container(stack: Stack) -> None:
    before = stack.containers("api")
    assert stack.in_api("touch", "/var/lib/duet/kept")[0] == 0
    stack.compose("rm", "--stop", "--force", "api")
    refused = httpx.get(f"{stack.url}/models", headers={"X-Request-ID": "too-early"})
    assert (refused.status_code, refused.headers["Content-Type"]) == (503, "application/problem+json")
    assert refused.headers["Retry-After"] == "1"
    problem = ProblemDetails.model_validate_json(refused.content)
    assert (problem.status, problem.request_id) == (503, "too-early")
    stack.up()
    assert stack.containers("api") != before
    assert stack.in_api("test", "-f", "/var/lib/duet/kept")[0] == 0


def test_stop_completes_a_started_upload_and_exits_with_zero(stack: Stack) -> None:
    (api,) = stack.containers("api")
    head = (
        "POST /predict?model=cnn HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(PICTURE)}"
    )
    with socket.create_connection(("127.0.0.1", stack.port), timeout=60) as connection:
        connection.sendall(f"{head}\r\n\r\n".encode() + PICTURE[:1000])
        stopping = stack.start_compose("stop", "api")
        try:
            wait_until_refused(stack)
            connection.sendall(PICTURE[1000:])
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        finally:
            stopping.communicate()
    assert docker("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", api) == "exited 0"
    stack.up()


def wait_until_refused(stack: Stack) -> None:
    """Until the proxy sends nobody to the api any more, so that what follows is done while the service drains."""
    give_up = time.monotonic() + 15
    while time.monotonic() < give_up:
        if httpx.get(f"{stack.url}/livez", timeout=5).status_code == 503:
            return
        time.sleep(0.05)
    raise AssertionError("the service went on taking requests")


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
def test_job_survives_a_stopped_worker_and_a_killed_broker(stack: Stack, client: httpx.Client) -> None:
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

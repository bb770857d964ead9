"""The service in its container, really built and run by docker-compose.yml, so only where that is asked for."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image

from tests.support.compose import Stack, running_stack, why_not
from tests.support.pictures import encode, noise

PICTURE = encode(Image.fromarray(noise(480, 640)), "PNG")


if reason := why_not():
    pytest.skip(reason, allow_module_level=True)
pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack("api") as stack:
        yield stack


def test_predicts_and_compares_with_the_shipped_models(stack: Stack) -> None:
    predicted = httpx.post(f"{stack.url}/predict?model=cnn", files={"file": ("noise.png", PICTURE)})
    assert predicted.status_code == 200, predicted.text
    answer = predicted.json()["predictions"][0]
    assert answer["model"] == "cnn"
    assert "resized from 640x480" in answer["notes"]
    compared = httpx.post(f"{stack.url}/compare", files={"file": ("noise.png", PICTURE)})
    assert {each["model"] for each in compared.json()["predictions"]} == {"cnn", "mlp"}
    assert httpx.get(f"{stack.url}/metrics/compare", headers={"Accept": "application/json"}).status_code == 200


def test_runs_as_nobody_in_particular_and_writes_to_its_volume_alone(stack: Stack) -> None:
    assert stack.in_api("id", "-u") == (0, "10001\n")
    assert stack.in_api("stat", "--format=%u %a", "/var/lib/duet") == (0, "10001 700\n")
    assert stack.in_api("touch", "/tmp/scratch", "/var/lib/duet/scratch")[0] == 0
    for place in ("/opt/duet/models", "/usr/local", "/etc"):
        code, output = stack.in_api("touch", f"{place}/written")
        assert code != 0
        assert "Read-only file system" in output
    assert "CapEff:\t0000000000000000" in stack.in_api("cat", "/proc/1/status")[1]


def test_onnxruntime_reports_to_nobody(stack: Stack) -> None:
    # It notes what it is about to send below the home folder of its user, where it is allowed to send anything.
    assert stack.in_api("find", "/var/lib/duet", "-name", ".cache") == (0, "")


def test_has_no_torch(stack: Stack) -> None:
    code, output = stack.in_api("python", "-c", "import torch")
    assert code == 1
    assert "No module named 'torch'" in output


def test_state_outlives_the_container(stack: Stack) -> None:
    before = stack.inspect("{{.Id}}")
    assert stack.in_api("touch", "/var/lib/duet/kept")[0] == 0
    stack.compose("down")
    stack.compose("up", "--detach", "api")
    stack.wait_until_healthy()
    assert stack.inspect("{{.Id}}") != before
    assert stack.in_api("test", "-f", "/var/lib/duet/kept")[0] == 0


def test_stop_answers_an_upload_that_has_begun_and_exits_with_zero(stack: Stack) -> None:
    head = (
        f"POST /predict?model=cnn HTTP/1.1\r\nHost: duet\r\nContent-Type: image/png\r\nContent-Length: {len(PICTURE)}"
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
    assert stack.inspect("{{.State.Status}} {{.State.ExitCode}}") == "exited 0"


def wait_until_refused(stack: Stack) -> None:
    """Until new connections are refused, so that what follows is done while the service drains."""
    give_up = time.monotonic() + 15
    while time.monotonic() < give_up:
        try:
            httpx.get(f"{stack.url}/livez", timeout=1)
        except httpx.TransportError:
            return
        time.sleep(0.1)
    raise AssertionError("the service went on taking connections")

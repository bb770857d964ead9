"""Constant memory over explanations that finish, are rejected or are cancelled, and over malformed tensors."""

from __future__ import annotations

import json
import random
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.test_memory import PICTURES, growth_mib
from tests.support.gradient_graphs import write_explainable
from tests.support.service import ServiceProcess, service_process
from tests.support.wire import answer_on, head, request

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(sys.platform != "linux", reason="the size of the process is looked up in /proc"),
]
ANSWERED = (
    "/saliency?method=saliency,smoothgrad,integrated_gradients,grad_cam,occlusion",
    "/saliency?model=mlp&method=input_x_gradient&layout=blend",
    "/saliency?format=npy&method=occlusion&window=1&stride=1",
    "/compare?saliency=saliency,occlusion",
    "/compare?saliency=smoothgrad&format=png",
)
REFUSED = (
    ("/saliency?model=mlp&method=grad_cam", 422),
    ("/saliency?target=tiger", 422),
    ("/saliency?version=2", 409),
    ("/compare?saliency=grad_cam", 422),
)


@pytest.fixture(params=["1", "2"], ids=["on the event loop", "on threads"])
def service(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ServiceProcess]:
    write_explainable(tmp_path)
    with service_process(tmp_path, DUET_THREADS=request.param, DUET_LOG_LEVEL="warning") as running:
        yield running


def test_memory_is_constant_over_explanations(service: ServiceProcess) -> None:
    def talk(address: tuple[str, int], chance: random.Random) -> None:
        for _ in range(12):
            with socket.create_connection(address, timeout=60) as connection:
                for path in ANSWERED:
                    connection.sendall(request(chance.choice(PICTURES), path=path))
                    assert answer_on(connection).status == 200
                for path, status in REFUSED:
                    connection.sendall(request(chance.choice(PICTURES), path=path))
                    assert answer_on(connection).status == status
                # Each client gives up one at a time, so that there is room for the others.
                connection.sendall(request(chance.choice(PICTURES), path=ANSWERED[0]))

    assert growth_mib(service, talk, 6) < 24


def test_memory_is_constant_over_malformed_tensors(service: ServiceProcess) -> None:
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 8, 8, 3]}
    lying = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": 200_000}}]}).encode()
    many = json.dumps({"inputs": [tensor | {"shape": [2**40, 8, 8, 3], "data": [0] * 60_000}]}).encode()

    def talk(address: tuple[str, int], chance: random.Random) -> None:
        with socket.create_connection(address, timeout=60) as connection:
            for _ in range(10):
                for body, length in ((lying + bytes(200_000), len(lying)), (many, len(many)), (bytes(200_001), 0)):
                    lines = (f"Content-Length: {len(body)}", f"Inference-Header-Content-Length: {length}")
                    connection.sendall(head(*lines, path="/v2/models/cnn/infer") + body)
                    assert answer_on(connection).status == 400

    assert growth_mib(service, talk, 5) < 48

"""What a client waits for: requests over one connection, one after the other."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from itertools import cycle

import numpy as np

from benchmarks.saliency.bare import BATCH, times
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import HOST, take_answer
from benchmarks.serving.pictures import Pixels

_PATIENCE_SECONDS = 30.0


def request_times(port: int, requests: Sequence[bytes], seconds: float) -> list[float]:
    """Seconds from sending a request to the end of its answer, for about `seconds` in all.

    Raises:
        BenchmarkError: an answer is not 2xx.
    """
    turn = cycle(requests)
    with socket.create_connection((HOST, port), timeout=_PATIENCE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return times(lambda: _ask(connection, next(turn)), seconds)


def _ask(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    buffer = bytearray()
    while (answer := take_answer(buffer)) is None:
        received = connection.recv(1 << 20)
        if not received:
            raise BenchmarkError("the service closed the connection")
        buffer += received
    if not answer.ok:
        raise BenchmarkError(f"{answer.status}: {answer.body[:300]!r}")


def triton_times(port: int, family: str, images_NHWC: Pixels, seconds: float) -> list[float]:
    """Seconds of each synchronous `infer` of a batch by Triton's own client, its tensors made anew each time."""
    from tritonclient import http as triton

    batch_NHWC = np.ascontiguousarray(np.resize(images_NHWC, (BATCH, *images_NHWC.shape[1:])))
    client = triton.InferenceServerClient(f"{HOST}:{port}")

    def infer() -> object:
        images = triton.InferInput("images", list(batch_NHWC.shape), "UINT8")
        images.set_data_from_numpy(batch_NHWC)
        answer = client.infer(family, [images], outputs=[triton.InferRequestedOutput("logits")])
        return answer.as_numpy("logits")

    try:
        return times(infer, seconds)
    finally:
        client.close()

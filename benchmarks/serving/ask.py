"""One request and its answer over a connection of its own, blocking: for checks, never for measurements of speed."""

from __future__ import annotations

import socket
import time

from benchmarks.serving.messages import HOST, Answer, BadAnswerError, take_answer

_POLL_SECONDS = 0.002


def ask(port: int, request: bytes, *, timeout: float = 30.0) -> Answer:
    """Send `request` and return its answer.

    Raises:
        OSError: nothing listens there, or the answer does not come in time.
        BadAnswerError: what came is not an answer, or only a part of one.
    """
    buffer = bytearray()
    with socket.create_connection((HOST, port), timeout) as connection:
        connection.sendall(request)
        while (answer := take_answer(buffer)) is None:
            received = connection.recv(65536)
            if not received:
                raise BadAnswerError(f"the connection was closed after {len(buffer)} bytes of an answer")
            buffer += received
    return answer


def settled_answer(port: int, request: bytes, *, within: float) -> Answer | None:
    """Ask again and again, with milliseconds in between, until the answer is one that waiting does not change.

    Returns:
        The first answer that is neither 429 nor 5xx, or None where there is none within so many seconds.
    """
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            answer = ask(port, request, timeout=max(0.01, end - time.monotonic()))
        except (OSError, BadAnswerError):
            answer = None
        if answer is not None and answer.status != 429 and answer.status < 500:
            return answer
        time.sleep(_POLL_SECONDS)
    return None

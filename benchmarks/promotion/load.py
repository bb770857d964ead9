"""Many clients that ask for predictions without a pause, and look at every answer.

Each answer names the version it is from. It has to be what that version answers to that picture, which was asked
beforehand, and of several pictures in one request, all have to be by one version.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from benchmarks.serving.connection import Connection, connect
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import BOUNDARY, HOST, Answer, raw_request

SETTLE_SECONDS = 60.0
TOLERANCE = 1e-3
"""Of a probability: a batch of another size rounds the network's sums differently."""


@dataclass(frozen=True)
class Asked:
    """A whole request, and which pictures are in it."""

    message: bytes
    pictures: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as its client saw it; times are on the clock of `time.perf_counter`.

    Attributes:
        sent: when it was sent.
        done: when its answer was there, or was given up.
        version: who answered; None where there was no good answer.
        problem: what was wrong with the answer.
    """

    sent: float
    done: float
    version: int | None
    problem: str | None


Answers = Mapping[tuple[int, int], tuple[str, float]]
"""Label and probability by version and picture."""


def requests_of(path: str, pngs: Sequence[bytes], *, at_a_time: int) -> list[Asked]:
    """Each picture as a body of its own, and all of them in forms with so many files."""
    single = [Asked(raw_request(path, png), (place,)) for place, png in enumerate(pngs)]
    starts = range(0, len(pngs) - at_a_time + 1, at_a_time)
    groups = [tuple(range(start, start + at_a_time)) for start in starts]
    return [*single, *(Asked(_form(path, [pngs[place] for place in group]), group) for group in groups)]


class Load:
    """A closed loop of `clients`: each sends its next request the moment it has its answer."""

    def __init__(self, port: int, requests: Sequence[Asked], expected: Answers, *, clients: int) -> None:
        self.seen: list[Seen] = []
        self._port = port
        self._requests = cycle(requests)
        self._expected = expected
        self._clients = clients
        self._due: dict[Connection, tuple[Asked, float]] = {}
        self._ended = False
        self._idle = asyncio.Event()
        self._latest: tuple[int | None, int] = (None, 0)

    async def settled(self, version: int) -> None:
        """Return once as many answers in a row as there are clients came from this version alone.

        Raises:
            BenchmarkError: it does not come to that.
        """
        end = time.monotonic() + SETTLE_SECONDS
        while self._latest[0] != version or self._latest[1] < self._clients:
            if time.monotonic() > end:
                raise BenchmarkError(f"version {version} does not answer alone after {SETTLE_SECONDS:.0f} seconds")
            await asyncio.sleep(0.01)

    async def start(self) -> None:
        """Connect all clients, and let them go."""
        connections = [await connect(self._port, self._answered, self._failed) for _ in range(self._clients)]
        for connection in connections:
            self._send(connection)

    async def finish(self) -> None:
        """Send nothing more, and wait for the answers that are due."""
        self._ended = True
        if self._due:
            await self._idle.wait()

    def _send(self, connection: Connection) -> None:
        asked = next(self._requests)
        self._due[connection] = (asked, time.perf_counter())
        connection.send(asked.message)

    def _answered(self, connection: Connection, answer: Answer) -> None:
        asked, sent = self._due.pop(connection)
        version, problem = self._checked(answer, asked)
        self._note(Seen(sent, time.perf_counter(), version, problem))
        if self._ended:
            connection.close()
        elif connection.usable:
            self._send(connection)

    def _failed(self, connection: Connection, problem: str) -> None:
        _, sent = self._due.pop(connection)
        self._note(Seen(sent, time.perf_counter(), None, problem))

    def _note(self, seen: Seen) -> None:
        self.seen.append(seen)
        version, in_a_row = self._latest
        self._latest = (seen.version, in_a_row + 1 if seen.version == version else 1)
        if self._ended and not self._due:
            self._idle.set()

    def _checked(self, answer: Answer, asked: Asked) -> tuple[int | None, str | None]:
        if not answer.ok:
            return None, f"{answer.status}: {answer.body[:200]!r}"
        if answer.closes:
            return None, "the server closed the connection"
        predictions = json.loads(answer.body)["predictions"]
        versions = {prediction["version"] for prediction in predictions}
        if len(versions) != 1:
            return None, f"one request was answered by versions {sorted(versions)}"
        [version] = versions
        for picture, prediction in zip(asked.pictures, predictions, strict=True):
            label, probability = self._expected[version, picture]
            if prediction["label"] != label or abs(prediction["probability"] - probability) > TOLERANCE:
                return None, f"version {version} answered {prediction['label']} {prediction['probability']:.4f}"
        return version, None


def _form(path: str, pngs: Sequence[bytes]) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{place}.png"\r\n\r\n'.encode() + png
        for place, png in enumerate(pngs)
    ]
    body = b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body

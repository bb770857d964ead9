"""Closed loop that checks every answer against what the version it names answered beforehand.

wrk cannot do this: its script sees an answer without the request that it belongs to.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from benchmarks.common.http import Answer, BadAnswerError, Connection, multipart_request, raw_request
from benchmarks.common.report import BenchmarkError

SETTLE_SECONDS = 60.0
TOLERANCE = 1e-3
"""Allowed difference of a probability: batches of different sizes round differently."""

Answers = Mapping[tuple[int, int], tuple[str, float]]
"""Label and probability by version and index of the image."""


@dataclass(frozen=True)
class Request:
    """A complete request and the indices of its images."""

    message: bytes
    images: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as its client saw it; times are those of `time.perf_counter`.

    `version` is None without a correct answer; `problem` is the reason.
    """

    sent: float
    done: float
    version: int | None
    problem: str | None


def make_requests(path: str, pngs: Sequence[bytes], *, files: int) -> list[Request]:
    """Return one raw request per image, and forms of `files` images each."""
    groups = [tuple(range(start, start + files)) for start in range(0, len(pngs) - files + 1, files)]
    forms = [Request(multipart_request(path, *(pngs[index] for index in group)), group) for group in groups]
    return [*(Request(raw_request(path, png), (index,)) for index, png in enumerate(pngs)), *forms]


class CheckedLoad:
    """Clients that each send the next request as soon as they have an answer."""

    def __init__(self, port: int, requests: Sequence[Request], expected: Answers) -> None:
        self.seen: list[Seen] = []
        self._port, self._requests, self._expected = port, cycle(requests), expected
        self._clients: list[asyncio.Task[None]] = []
        self._ended = False

    def start(self, clients: int) -> None:
        """Start the clients."""
        self._clients = [asyncio.create_task(self._run_client()) for _ in range(clients)]

    async def settled(self, version: int) -> None:
        """Wait until `version` alone has answered as many times in a row as there are clients.

        Raises:
            BenchmarkError: another version still answers after SETTLE_SECONDS.
        """
        end = time.monotonic() + SETTLE_SECONDS
        while {one.version for one in self.seen[-len(self._clients) :]} != {version}:
            if time.monotonic() > end:
                raise BenchmarkError(f"other versions than {version} still answer after {SETTLE_SECONDS:.0f} s")
            await asyncio.sleep(0.01)

    async def finish(self) -> None:
        """Send nothing more and wait for the answers that are due."""
        self._ended = True
        await asyncio.gather(*self._clients)

    async def _run_client(self) -> None:
        connection = await Connection.open(self._port)
        while not self._ended:
            request, sent = next(self._requests), time.perf_counter()
            try:
                version, problem = self.check(await connection.exchange(request.message), request)
            except (OSError, BadAnswerError) as error:
                version, problem = None, f"{type(error).__name__}: {error}"
            self.seen.append(Seen(sent, time.perf_counter(), version, problem))
            if not connection.usable:
                connection = await Connection.open(self._port)
        connection.close()

    def check(self, answer: Answer, request: Request) -> tuple[int | None, str | None]:
        """Return the version that answered, or None and the problem."""
        if not answer.ok:
            return None, f"{answer.status}: {answer.body[:200]!r}"
        predictions = json.loads(answer.body)["predictions"]
        versions = {prediction["version"] for prediction in predictions}
        if len(versions) != 1:
            return None, f"one request was answered by versions {sorted(versions)}"
        [version] = versions
        for index, prediction in zip(request.images, predictions, strict=True):
            label, probability = self._expected[version, index]
            if prediction["label"] != label or abs(prediction["probability"] - probability) > TOLERANCE:
                return None, f"version {version} answered {prediction['label']} {prediction['probability']:.4f}"
        return version, None

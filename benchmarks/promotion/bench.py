"""Promotion benchmark: promotions and rollbacks of a champion under load; no request may fail or mix versions.

wrk cannot check the answers: its script sees an answer without its request.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from benchmarks.common import report as reports
from benchmarks.common.http import Answer, BadAnswerError, Connection, multipart_request, raw_request
from benchmarks.common.inputs import draw_images
from benchmarks.common.machine import describe_machine
from benchmarks.common.report import BenchmarkError, Figures, Goal, TextTable, columns_table, percentile
from benchmarks.common.server import API_KEY, READY_REQUEST, start_duet
from core.files.home import shipped_models
from core.repository.alias_files import ALIASES_NAME, AliasFile
from core.repository.manifest import MANIFEST_NAME
from core.repository.repository import MODELS_NAME, ModelRepository
from duet import Client

FAMILY = "switched"
GOALS = (Goal("requests that failed or mixed versions: *", "<=", 0),)
FILES = 4
AROUND_SECONDS = 0.5
"""A promotion counts as in progress until this long after its answer."""
_IMAGES = 64
SETTLE_SECONDS = 60.0
TOLERANCE = 1e-3
"""Allowed difference of a probability: batches of different sizes round differently."""

Answers = Mapping[tuple[int, int], tuple[str, float]]
"""Label and probability by version and index of the image."""
Request = tuple[bytes, tuple[int, ...]]
"""A complete request and the indices of its images."""


@dataclass(frozen=True)
class Plan:
    """One run over a home with versions 1 (the champion) and 2 of `family`; `switches` and `answers` are minima."""

    home: Path
    family: str
    pngs: Sequence[bytes]
    workers: int = 1
    clients: int = 200
    switches: int = 4
    answers: int = 5_000
    rest_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as its client saw it; without a correct answer, `version` is None and `problem` the reason."""

    sent: float
    done: float
    version: int | None
    problem: str | None


@dataclass(frozen=True)
class Switch:
    """One promotion or rollback; times are those of `time.perf_counter`."""

    action: str
    version: int
    asked: float
    answered: float
    served: bool


@dataclass(frozen=True)
class Results:
    """Requests in the order they were sent, and the switches."""

    plan: Plan
    seen: tuple[Seen, ...]
    switches: tuple[Switch, ...]

    @property
    def problems(self) -> list[str]:
        """The problem of each failed request."""
        return [one.problem for one in self.seen if one.problem is not None]

    def followed_ms(self, index: int) -> float:
        """Return how long after the answer to a switch a request was still sent that another version answered."""
        switch = self.switches[index]
        end = self.switches[index + 1].asked if index + 1 < len(self.switches) else float("inf")
        sent = [
            one.sent
            for one in self.seen
            if switch.answered < one.sent and one.done < end and one.version not in (None, switch.version)
        ]
        return 1000 * (max(sent, default=switch.answered) - switch.answered)

    def latency_ms(self, percent: float, *, switching: bool) -> float:
        """Return a percentile over the requests during a switch, or over the others."""

        def during(one: Seen) -> bool:
            return any(one.done > each.asked and one.sent < each.answered + AROUND_SECONDS for each in self.switches)

        return percentile((1000 * (one.done - one.sent) for one in self.seen if during(one) is switching), percent)


def main(
    workers: Annotated[str, typer.Option(help="Numbers of API processes, such as 1,2.")] = "1,2",
    clients: Annotated[int, typer.Option(min=1, max=1000, help="Concurrent requests.")] = 200,
    switches: Annotated[int, typer.Option(min=1, help="Minimum number of promotions and rollbacks.")] = 6,
    answers: Annotated[int, typer.Option(min=1, help="Minimum number of requests in each run.")] = 5_000,
    models: reports.Models = None,
) -> None:
    """Promote the shipped cnn over the shipped mlp and roll back under load; exit with code 1 if a request fails."""
    results, head = [], describe_machine()
    for count in map(int, reports.split(workers)):
        with tempfile.TemporaryDirectory(prefix="duet-promotion-") as folder:
            home = Path(folder) / "home"
            height, width = make_home(home, models or shipped_models())
            pngs = draw_images(_IMAGES, height=height, width=width).pngs
            results.append(run(Plan(home, FAMILY, pngs, count, clients, switches, answers)))
    failures = {f"requests that failed or mixed versions: {one.plan.workers} API processes": [float(len(one.problems))]
                for one in results}  # fmt: skip
    verdicts = reports.check_goals(GOALS, failures)
    reports.report(head, [_requests_table(results), _switches_table(results), reports.goals_table(verdicts)], failures)
    if not all(verdict.met for verdict in verdicts):
        problems = sorted({problem for one in results for problem in one.problems})
        reports.progress_console().print("\n".join(problems[:10]))
        raise typer.Exit(1)


def run(plan: Plan) -> Results:
    """Start the service, load it, promote and roll back, and stop it.

    Raises:
        BenchmarkError: the service does not start, or both versions answer the same.
        DuetError: the service refuses a promotion.
    """
    settings = {
        "DUET_WORKERS": str(plan.workers),
        "DUET_QUEUE_SIZE": str(16 * plan.clients),  # no 429
        "DUET_DEADLINE_SECONDS": "60",
        "DUET_LOG_LEVEL": "warning",
    }
    with (
        start_duet(plan.home, settings, models=plan.home / "none", arguments=("--no-worker",)) as server,
        Client(server.url, api_key=API_KEY, timeout_seconds=60) as client,
    ):
        server.wait_for_answer(READY_REQUEST)
        expected: dict[tuple[int, int], tuple[str, float]] = {}
        for version in (1, 2):
            for index, png in enumerate(plan.pngs):
                prediction = client.predict_one(png, model=plan.family, version=version, top_k=1)
                expected[version, index] = prediction.label, prediction.probability
        if all(expected[1, index] == expected[2, index] for index in range(len(plan.pngs))):
            raise BenchmarkError("both versions give the same answers: use models that differ")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_measure(plan, server.port, client, expected))


def make_home(home: Path, shipped: Path) -> tuple[int, int]:
    """Write FAMILY with the champions of mlp and cnn as versions 1 (champion) and 2; return height and width."""
    repository = ModelRepository(home / "none", shipped)
    for version, source in enumerate(("mlp", "cnn"), start=1):
        family, number = repository.resolve(source)
        manifest = repository.verify(family, number)
        folder = home / MODELS_NAME / FAMILY / str(version)
        shutil.copytree(repository.folder(family, number), folder)
        renamed = manifest.model_copy(update={"family": FAMILY, "version": version})
        (folder / MANIFEST_NAME).chmod(0o644)
        (folder / MANIFEST_NAME).write_text(renamed.to_json(), encoding="utf-8")
    aliases = AliasFile(champions={FAMILY: 1})
    (home / MODELS_NAME / ALIASES_NAME).write_text(aliases.model_dump_json(), encoding="utf-8")
    return manifest.input.height, manifest.input.width


def make_requests(path: str, pngs: Sequence[bytes], *, files: int) -> list[Request]:
    """Return one raw request per image, and forms of `files` images each."""
    groups = [tuple(range(start, start + files)) for start in range(0, len(pngs) - files + 1, files)]
    forms = [(multipart_request(path, *(pngs[index] for index in group)), group) for group in groups]
    return [*((raw_request(path, png), (index,)) for index, png in enumerate(pngs)), *forms]


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

        Raises BenchmarkError if another version still answers after SETTLE_SECONDS.
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
            (message, images), sent = next(self._requests), time.perf_counter()
            try:
                version, problem = self.check(await connection.exchange(message), images)
            except (OSError, BadAnswerError) as error:
                version, problem = None, f"{type(error).__name__}: {error}"
            self.seen.append(Seen(sent, time.perf_counter(), version, problem))
            if not connection.usable:
                connection = await Connection.open(self._port)
        connection.close()

    def check(self, answer: Answer, images: tuple[int, ...]) -> tuple[int | None, str | None]:
        """Return the version that answered, or None and the problem."""
        if answer.header("Connection") == "close":
            return None, "the server closed the connection"
        if not answer.ok:
            return None, f"{answer.status}: {answer.body[:200]!r}"
        predictions = json.loads(answer.body)["predictions"]
        versions = {prediction["version"] for prediction in predictions}
        if len(versions) != 1:
            return None, f"one request was answered by versions {sorted(versions)}"
        [version] = versions
        for index, prediction in zip(images, predictions, strict=True):
            label, probability = self._expected[version, index]
            if prediction["label"] != label or abs(prediction["probability"] - probability) > TOLERANCE:
                return None, f"version {version} answered {prediction['label']} {prediction['probability']:.4f}"
        return version, None


async def _measure(plan: Plan, port: int, client: Client, expected: Answers) -> Results:
    requests = make_requests(f"/predict?model={plan.family}&top_k=1", plan.pngs, files=FILES)
    load = CheckedLoad(port, requests, expected)
    switches: list[Switch] = []
    load.start(plan.clients)
    await asyncio.sleep(plan.rest_seconds)
    while len(switches) < plan.switches or len(load.seen) < plan.answers:
        promoting = len(switches) % 2 == 0
        switches.append(await asyncio.to_thread(_switch, client, plan.family, promoting=promoting))
        await load.settled(switches[-1].version)
        await asyncio.sleep(plan.rest_seconds)
    await load.finish()
    return Results(plan, tuple(sorted(load.seen, key=lambda one: one.sent)), tuple(switches))


def _switch(client: Client, family: str, *, promoting: bool) -> Switch:
    why, asked = "benchmark", time.perf_counter()
    moved = client.promote(family, 2, reason=why, force=True) if promoting else client.rollback(family, reason=why)
    version = moved.promotion.to_version
    assert version is not None  # only archived families have none
    return Switch(moved.promotion.action, version, asked, time.perf_counter(), moved.served)


def _requests_table(results: Sequence[Results]) -> TextTable:
    rows: dict[tuple[str, ...], Figures] = {}
    for one in results:
        figures: Figures = {"answered": [len(one.seen)], "failed": [len(one.problems)], "switches": [len(one.switches)]}
        for words, switching in (("while champions change", True), ("otherwise", False)):
            for percent in (50, 99):
                figures[f"p{percent} {words}, ms"] = [one.latency_ms(percent, switching=switching)]
        rows[str(one.plan.workers), str(one.plan.clients)] = figures
    return columns_table("Requests", (">processes", ">concurrent"), rows)


def _switches_table(results: Sequence[Results]) -> TextTable:
    rows: dict[tuple[str, ...], Figures] = {}
    for one in results:
        for index, switch in enumerate(one.switches):
            served = "yes" if switch.served else "no"
            key = (str(one.plan.workers), str(index + 1), switch.action, str(switch.version), served)
            answered_ms = 1000 * (switch.answered - switch.asked)
            rows[key] = {"answered after, ms": [answered_ms], "all followed after, ms": [one.followed_ms(index)]}
    return columns_table("Switches", (">processes", ">switch", "action", ">to version", "served then"), rows)

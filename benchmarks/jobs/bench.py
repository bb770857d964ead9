"""Jobs benchmark: a real `duet serve` with its broker and worker, and small trainings that are cancelled."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from benchmarks.common import report as reports
from benchmarks.common.http import raw_request
from benchmarks.common.inputs import draw_images, find_model
from benchmarks.common.machine import describe_machine
from benchmarks.common.open_loop import open_load, poisson_arrivals
from benchmarks.common.report import BenchmarkError, Figures, Goal, append, choose, figure_tables, percentile
from benchmarks.common.server import API_KEY, Server, cpu_seconds, start_duet, wait_for_worker
from core.errors import DuetError
from core.files.home import shipped_models
from core.images.labelled_folders import DATASETS_NAME, FOLDER_PREFIX
from core.jobs.events import StoredEvent
from duet import Client

PARTS = ("idle", "begin", "beside")
QUICK_ROUNDS, QUICK_SECONDS = 1, 2.0
GOALS = (
    Goal("to the claim, ms: *", "<=", 500.0),
    Goal("event stored to read by a client, p*, ms", "<=", 200.0),
    Goal("p99 of /predict beside a training, over without", "<=", 3.0),
    Goal("CPU of the idle worker, % of a core", "<=", 1.0),
)
CHILD_EVENTS = frozenset({"stage", "note", "fit_started", "progress", "epoch"})
"""Events of a job's process; the others come from the worker and the API."""
EVENT_SECONDS = 120.0
FIRST, IDLE = "the first job of an API process, worker idle", "worker idle"
FREE, QUEUED = "sent as the job before ends", "waiting behind a job, from its end"
_IDLE_AFTER_SECONDS, _SETTLE_SECONDS = 2.0, 3.0
_CLASSES, _IMAGES_PER_CLASS = 10, 60
_FOLDER = "drawn"
_EPOCHS = 10_000


@dataclass(frozen=True)
class Received:
    """An event, and the times when the broker stored it and the client read it, in ms since 1970 of one clock."""

    stored: StoredEvent
    read_ms: float

    @property
    def stored_ms(self) -> float:
        """Time of the broker, in whole milliseconds."""
        return 1000 * self.stored.at.timestamp()


class JobStream:
    """Events of a job, read in a thread until the job has ended."""

    def __init__(self, client: Client, job_id: str) -> None:
        self.received: list[Received] = []
        self._client, self._id = client, job_id
        self._ended: str | None = None
        threading.Thread(target=self._read, name=job_id, daemon=True).start()

    def wait(self, kind: str) -> Received:
        """Return the first event of a kind, such as `claimed`.

        Raises BenchmarkError if the stream ended without it, or there was none within EVENT_SECONDS.
        """
        end = time.monotonic() + EVENT_SECONDS
        while not (ended := self._ended or (time.monotonic() > end and f"no such event for {EVENT_SECONDS:.0f} s")):
            if self.of_kind(kind):
                break
            time.sleep(0.002)
        if found := self.of_kind(kind):
            return found[0]
        last = "; ".join(one.stored.event.model_dump_json() for one in self.received[-3:])
        raise BenchmarkError(f"the job sent no {kind}: {ended}. Its last events: {last or 'none'}")

    def of_kind(self, *kinds: str) -> list[Received]:
        """Return the events of these kinds so far."""
        return [one for one in self.received if one.stored.event.event in kinds]

    def delays_ms(self) -> list[float]:
        """Return the time from storing to reading of each event of the job's process."""
        return [one.read_ms - one.stored_ms for one in self.of_kind(*CHILD_EVENTS)]

    def cancel(self) -> None:
        """Cancel the job and wait until it has ended."""
        self._client.cancel(self._id)
        self.wait("finished")

    def _read(self) -> None:
        ended = "the stream ended"
        try:
            for stored in self._client.events(self._id):
                self.received.append(Received(stored, 1000 * time.time()))
        except (DuetError, RuntimeError) as error:  # RuntimeError: the client was closed after another error
            ended = f"the stream failed: {error}"
        finally:
            self._ended = ended


@dataclass
class BenchmarkSetup:
    """A running service and the figures measured so far."""

    server: Server
    client: Client
    training: dict[str, Any]
    predictions: Sequence[bytes]
    figures: Figures = field(default_factory=dict)
    delays_ms: list[float] = field(default_factory=list)

    def train(self) -> JobStream:
        """Submit the training."""
        return JobStream(self.client, self.client.train(**self.training).id)


def main(
    only: Annotated[str, typer.Option(help=f"Some of {', '.join(PARTS)}.")] = "",
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds over all parts.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, max=120, help="Length of one measurement.")] = 15.0,
    rate: Annotated[float, typer.Option(min=1, max=5000, help="Predictions per second.")] = 100.0,
    recipe: Annotated[str, typer.Option(help="Recipe of the trainings.")] = "cnn_baseline",
    models: reports.Models = None,
    family: reports.Family = "cnn",
    job_nice: Annotated[int, typer.Option(min=0, max=19, help="DUET_JOB_NICE of the service.")] = 10,
    quick: Annotated[bool, typer.Option("--quick", help="Smoke run; its figures mean little.")] = False,
    out: reports.Out = None,
    markdown: reports.Markdown = None,
) -> None:
    """Measure how soon jobs begin and report events, and predictions beside a training, on a real duet serve."""
    if quick:
        rounds, seconds = QUICK_ROUNDS, QUICK_SECONDS
    parts, data_dir = choose("--only", only, PARTS), os.environ.get("DUET_DATA_DIR")
    model = find_model(family, (models or shipped_models()).absolute())
    head = (
        f"{model.manifest.reference} predicts, {recipe} on {'CIFAR-10' if data_dir else 'drawn images'} trains. "
        f"{describe_machine()} {rate:g} predictions/s; DUET_JOB_NICE {job_nice}; "
        f"{rounds} round(s) of {seconds:g} s. Medians over jobs or rounds, with the lowest and the highest."
    )
    settings = {"DUET_LOG_LEVEL": "warning", "DUET_JOB_NICE": str(job_nice)}
    if data_dir:
        settings["DUET_DATA_DIR"] = str(Path(data_dir).absolute())
    predictions = [raw_request(f"/predict?model={family}", png) for png in model.draw_images(64).pngs]
    with tempfile.TemporaryDirectory(prefix="duet-jobs-") as folder:
        home = Path(folder) / "home"
        training = small_training(recipe, home, real_data=bool(data_dir))
        with (
            start_duet(home, settings, models=model.models) as server,
            Client(server.url, api_key=API_KEY, timeout_seconds=60) as client,
        ):
            worker = wait_for_worker(server, home, can_train=True)
            bench = BenchmarkSetup(server, client, training, predictions)
            if "idle" in parts:
                measure_idle(bench, psutil.Process(worker.pid), seconds)
            for number in range(rounds):
                if "begin" in parts:
                    measure_beginnings(bench, first=number == 0)
                if "beside" in parts:
                    measure_beside(bench, rate, seconds, number)
                reports.progress_console().print(f"round {number + 1} of {rounds}")
    for percent in (50, 99) if bench.delays_ms else ():
        append(
            bench.figures, {f"event stored to read by a client, p{percent}, ms": percentile(bench.delays_ms, percent)}
        )
    reports.report(head, figure_tables("Jobs", bench.figures, GOALS), bench.figures, out=out, markdown=markdown)


def small_training(recipe: str, home: Path, *, real_data: bool) -> dict[str, Any]:
    """Return the arguments of `Client.train`: CIFAR-10, or a data set of drawn images that is written to `home`."""
    overrides = {"epochs": _EPOCHS, "batch_size": 32, "precision": "float32"}
    training: dict[str, Any] = {"recipe": recipe, "promote": "never", "overrides": overrides}
    if real_data:
        return training | {"data": "cifar10"}
    for number, png in enumerate(draw_images(_CLASSES * _IMAGES_PER_CLASS, height=32, width=32).pngs):
        label = home / DATASETS_NAME / _FOLDER / f"class {number % _CLASSES}"
        label.mkdir(parents=True, exist_ok=True)
        (label / f"{number}.png").write_bytes(png)
    return training | {"data": FOLDER_PREFIX + _FOLDER, "family": "trained"}


def measure_idle(bench: BenchmarkSetup, worker: psutil.Process, seconds: float) -> None:
    """Measure the share of a core that the worker uses without jobs."""
    time.sleep(_SETTLE_SECONDS)
    before, started = cpu_seconds([worker]), time.perf_counter()
    time.sleep(seconds)
    share = (cpu_seconds([worker]) - before) / (time.perf_counter() - started)
    append(bench.figures, {"CPU of the idle worker, % of a core": 100 * share})


def measure_beginnings(bench: BenchmarkSetup, *, first: bool) -> None:
    """Measure three jobs, one after the other, each cancelled at its first step; `first`: there was no job before."""
    time.sleep(_IDLE_AFTER_SECONDS)
    idle = bench.train()
    _record(bench, FIRST if first else IDLE, idle)
    idle.cancel()
    free, queued = bench.train(), bench.train()
    _record(bench, FREE, free)
    free.cancel()
    _record(bench, QUEUED, queued, since_ms=free.wait("finished").stored_ms)
    queued.cancel()
    bench.delays_ms += [delay for job in (idle, free, queued) for delay in job.delays_ms()]


def _record(bench: BenchmarkSetup, words: str, job: JobStream, *, since_ms: float | None = None) -> None:
    """Wait for the first step, and record the times to the claim (from `since_ms`, or submission) and to the step."""
    stepped, claimed = job.wait("progress"), job.wait("claimed")
    start_ms = job.wait("submitted").stored_ms if since_ms is None else since_ms
    append(bench.figures, {f"to the claim, ms: {words}": claimed.stored_ms - start_ms})
    append(bench.figures, {f"claim to first step, ms: {words}": stepped.stored_ms - claimed.stored_ms})


def measure_beside(bench: BenchmarkSetup, rate: float, seconds: float, number: int) -> None:
    """Measure predictions alone and beside a training; every other round begins with the training."""
    alone = predict(bench, rate, seconds, seed=number) if number % 2 == 0 else None
    job = bench.train()
    job.wait("progress")
    before = _last_step(job)
    beside = predict(bench, rate, seconds, seed=number)
    steps_per_second = (_last_step(job) - before) / seconds
    job.cancel()
    alone = alone or predict(bench, rate, seconds, seed=number)
    for name, (p50_ms, p99_ms) in (("without", alone), ("beside a training", beside)):
        append(bench.figures, {f"/predict {name}, p50, ms": p50_ms, f"/predict {name}, p99, ms": p99_ms})
    append(bench.figures, {"p99 of /predict beside a training, over without": beside[1] / alone[1]})
    append(bench.figures, {"steps of the training per second meanwhile": steps_per_second})
    bench.delays_ms += job.delays_ms()


def predict(bench: BenchmarkSetup, rate: float, seconds: float, *, seed: int) -> tuple[float, float]:
    """Send predictions at random times; return the median and p99 of their latency in ms."""
    run = open_load(bench.server.port, bench.predictions, poisson_arrivals(rate, seconds, seed=seed))
    taken_ms = run.accepted_ms()
    return percentile(taken_ms, 50), percentile(taken_ms, 99)


def _last_step(job: JobStream) -> int:
    return max(int(getattr(one.stored.event, "step", 0)) for one in job.of_kind("progress"))

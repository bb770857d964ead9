"""A training job: go on from the run folder's checkpoint or start, publish, and tell the result."""

from __future__ import annotations

import time
from pathlib import Path

from core.errors import CheckpointError
from core.files.run_paths import named_run
from core.jobs.events import Note, Published, Result
from core.jobs.parameters import TrainParameters
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from training.fit.dtype import pick_device
from training.jobs.reporter import EventReporter
from training.jobs.worker_line import WorkerLine
from training.pipeline.requests import run_request
from training.run.checkpoint import CHECKPOINT_NAME
from training.run.run_folder import held, published_as, settle_publishing

LOOK_SECONDS = 0.5


def train(job_id: str, parameters: TrainParameters, home: Path, line: WorkerLine, *, threads: int) -> None:
    """Train and publish what the parameters describe; after an attempt that published, only tell of it again.

    Raises:
        DuetError: as `training.pipeline.requests.run_request`.
        JobCancelledError, NotPermittedError: the worker wants it to stop; the last checkpoint stays.
    """
    reporter = EventReporter(line, epochs=parameters.config().epochs)
    repository = ModelRepository.open(home)
    run_folder = named_run(home, job_id)
    _wait_until_free(run_folder, line)
    manifest = _published(repository, run_folder) or _train(
        parameters, repository, run_folder, reporter, threads=threads
    )
    accuracy = manifest.metrics.test_accuracy
    line.send(Published(reference=manifest.reference, test_accuracy=accuracy))
    line.send(
        Result(
            result={
                "reference": manifest.reference,
                "family": manifest.family,
                "version": manifest.version,
                "test_accuracy": accuracy,
            }
        )
    )


def _train(
    parameters: TrainParameters,
    repository: ModelRepository,
    run_folder: Path,
    reporter: EventReporter,
    *,
    threads: int,
) -> Manifest:
    return run_request(
        parameters.config(),
        parameters.data,
        parameters.target_family(),
        repository,
        run_folder,
        reporter=reporter,
        threads=threads,
        device=pick_device(),
        resume=(run_folder / CHECKPOINT_NAME).exists(),
    )


def _published(repository: ModelRepository, run_folder: Path) -> Manifest | None:
    """The version that an earlier attempt made, whose worker did not live to tell."""
    settle_publishing(run_folder, repository)
    reference = published_as(run_folder)
    return None if reference is None else repository.manifest(*repository.resolve(reference))


def _wait_until_free(run_folder: Path, line: WorkerLine) -> None:
    """Wait while an earlier attempt still holds the folder: one whose worker hangs, so that it can write no more."""
    told = False
    while True:
        try:
            with held(run_folder):
                return
        except CheckpointError as error:
            if not told:
                line.send(Note(text=f"waiting for an earlier attempt to let go: {error}"))
            told = True
            line.check()
            time.sleep(LOOK_SECONDS)

"""Training job: trains or resumes in the job's run folder, publishes the version and reports the result."""

from __future__ import annotations

import time
from pathlib import Path

from core.errors import CheckpointError
from core.files.home import named_run
from core.jobs.events import Note, Published, Result
from core.jobs.parameters import TrainParameters
from core.jobs.run_folder import CHECKPOINT_NAME
from core.jobs.worker_channel import WorkerChannel
from core.repository.repository import ModelRepository
from training.fit.dtype import pick_device
from training.jobs.reporter import EventReporter
from training.pipeline.requests import run_request
from training.run.run_folder import locked_run, published_as, recover_publishing

POLL_SECONDS = 0.5
"""Interval of the checks for the lock of the run folder."""


def train(job_id: str, parameters: TrainParameters, home: Path, channel: WorkerChannel, *, threads: int) -> None:
    """Train and publish a version. If an earlier attempt published it, only report the result.

    Raises:
        DuetError: raised by `training.pipeline.requests.run_request`.
        JobCancelledError, NotPermittedError: the worker stopped the job; the last checkpoint is kept.
    """
    reporter = EventReporter(channel, epochs=parameters.config().epochs)
    repository = ModelRepository.open(home)
    run_folder = named_run(home, job_id)
    _wait_until_free(run_folder, channel)
    recover_publishing(run_folder, repository)
    reference = published_as(run_folder)
    if reference is not None:  # by an earlier attempt that did not report it
        manifest = repository.manifest(*repository.resolve(reference))
    else:
        manifest = run_request(
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
    accuracy = manifest.metrics.test_accuracy
    channel.send(Published(reference=manifest.reference, test_accuracy=accuracy))
    version = {"reference": manifest.reference, "family": manifest.family, "version": manifest.version}
    channel.send(Result(result={**version, "test_accuracy": accuracy, "test_images": manifest.data.counts["test"]}))


def _wait_until_free(run_folder: Path, channel: WorkerChannel) -> None:
    """Wait until an earlier attempt releases the lock of the run folder. It cannot write without permission."""
    noted = False
    while True:
        try:
            with locked_run(run_folder):
                return
        except CheckpointError as error:
            if not noted:
                channel.send(Note(text=f"waiting for an earlier attempt to release the run folder: {error}"))
            noted = True
            channel.check()
            time.sleep(POLL_SECONDS)

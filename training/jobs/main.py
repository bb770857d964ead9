"""Command line of a job process, from its arguments to its exit status.

    python -m training job --id ID --kind KIND --parameters FILE --events FD --parent PID --threads N

The process writes events to file descriptor FD and reads permissions and cancellation from standard input, see
core/jobs/events.py. Its output goes to the job's log.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import get_args

from core.errors import DuetError
from core.files.home import duet_home
from core.jobs.events import Failed
from core.jobs.parameters import EvaluateParameters, JobKind, TrainParameters
from training.jobs.worker_channel import (
    JobCancelledError,
    NotPermittedError,
    WorkerChannel,
    cancel_on_sigterm,
    follow_parent,
)


class ExitStatus(IntEnum):
    """Exit status of a job process. Any other status means that it crashed."""

    DONE = 0
    FAILED = 1
    CANCELLED = 3
    NOT_PERMITTED = 4


def main(arguments: Sequence[str]) -> ExitStatus:
    """Run the job described by the command-line arguments."""
    job = _parse(arguments)
    follow_parent(job.parent)
    cancel_on_sigterm()
    channel = WorkerChannel(events=job.events, answers=sys.stdin.fileno())
    try:
        channel.listen()
        _run(job, channel)
    except JobCancelledError:
        return ExitStatus.CANCELLED
    except NotPermittedError:
        return ExitStatus.NOT_PERMITTED
    except Exception as error:
        channel.send(Failed(error=type(error).__name__, message=_message(error)))
        with suppress(OSError):  # the disk may be full
            traceback.print_exc()
        return ExitStatus.FAILED
    return ExitStatus.DONE


def _run(job: argparse.Namespace, channel: WorkerChannel) -> None:
    # Imported after follow_parent, because torch takes seconds to load.
    home, threads, parameters = duet_home(), job.threads, job.parameters.read_bytes()
    if job.kind == "train":
        from training.jobs.train import train

        train(job.id, TrainParameters.model_validate_json(parameters), home, channel, threads=threads)
    elif job.kind == "download":
        from training.jobs.download import download

        download(home, channel)
    else:
        from training.jobs.evaluate import evaluate

        evaluate(job.id, EvaluateParameters.model_validate_json(parameters), home, channel, threads=threads)


def _message(error: Exception) -> str:
    if isinstance(error, DuetError):
        return " ".join(str(error).split())
    return f"{error or 'no message'} (unexpected error: see the traceback in the job's log)"


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description="Job process, started by a worker.")
    job = parser.add_subparsers(required=True).add_parser("job", help="run one job and report its events")
    job.add_argument("--id", required=True, help="job id, also the name of the run folder")
    job.add_argument("--kind", required=True, choices=get_args(JobKind))
    job.add_argument("--parameters", required=True, type=Path, help="file with the job parameters as JSON")
    job.add_argument("--events", required=True, type=int, help="file descriptor for events")
    job.add_argument("--parent", required=True, type=int, help="process id of the worker")
    job.add_argument("--threads", required=True, type=int, help="number of CPU threads")
    return parser.parse_args(arguments)

"""Job process, from its arguments to its exit status.

    PROGRAM job --id ID --kind KIND --parameters FILE --events FD --parent PID --threads N

The process writes events to file descriptor FD and reads permissions and cancellation from standard input, see
core/jobs/events.py. Its output goes to the job's log.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import IntEnum
from pathlib import Path

from core.errors import DuetError
from core.jobs.events import Failed
from core.jobs.parameters import JobKind
from core.jobs.spans import job_spans
from core.jobs.worker_channel import (
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


class JobArguments(argparse.Namespace):
    """Arguments of a job process.

    Attributes:
        id: job id, also the name of the run folder.
        kind: kind of the job.
        parameters: file with the job parameters as JSON.
        events: file descriptor for events.
        parent: process id of the worker.
        threads: number of CPU threads.
    """

    id: str
    kind: JobKind
    parameters: Path
    events: int
    parent: int
    threads: int


def run_child(
    arguments: Sequence[str],
    run: Callable[[JobArguments, WorkerChannel], None],
    *,
    program: str,
    kinds: Sequence[JobKind],
) -> ExitStatus:
    """Run the job described by the command-line arguments, and report its errors to the worker.

    Args:
        arguments: without the name of the program.
        run: the job. It imports heavy packages itself, after this process follows its worker.
        program: how the process is started, for its help.
        kinds: kinds of jobs that `run` knows.
    """
    job = _parse(arguments, program, kinds)
    follow_parent(job.parent)
    cancel_on_sigterm()
    try:
        with job_spans(job.id, job.kind) as spans:
            channel = WorkerChannel(events=job.events, answers=sys.stdin.fileno(), observe=spans.observe)
            return _run(job, run, channel)
    except JobCancelledError:
        return ExitStatus.CANCELLED
    except NotPermittedError:
        return ExitStatus.NOT_PERMITTED


def _run(job: JobArguments, run: Callable[[JobArguments, WorkerChannel], None], channel: WorkerChannel) -> ExitStatus:
    try:
        channel.listen()
        run(job, channel)
    except Exception as error:
        channel.send(Failed(error=type(error).__name__, message=_message(error)))
        with suppress(OSError):  # the disk may be full
            traceback.print_exc()
        return ExitStatus.FAILED
    return ExitStatus.DONE


def _message(error: Exception) -> str:
    if isinstance(error, DuetError):
        return " ".join(str(error).split())
    return f"{error or 'no message'} (unexpected error: see the traceback in the job's log)"


def _parse(arguments: Sequence[str], program: str, kinds: Sequence[JobKind]) -> JobArguments:
    parser = argparse.ArgumentParser(prog=program, description="Job process, started by a worker.")
    job = parser.add_subparsers(required=True).add_parser("job", help="run one job and report its events")
    job.add_argument("--id", required=True, help="job id, also the name of the run folder")
    job.add_argument("--kind", required=True, choices=kinds)
    job.add_argument("--parameters", required=True, type=Path, help="file with the job parameters as JSON")
    job.add_argument("--events", required=True, type=int, help="file descriptor for events")
    job.add_argument("--parent", required=True, type=int, help="process id of the worker")
    job.add_argument("--threads", required=True, type=int, help="number of CPU threads")
    return parser.parse_args(arguments, namespace=JobArguments())

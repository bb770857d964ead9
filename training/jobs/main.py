"""One job from the command line of its process to its exit status.

    python -m training job --id ID --kind train|evaluate --parameters JSON --events FD --parent PID --threads N

It tells what happens on the file descriptor FD and reads permissions and cancellation from standard input; see
core/jobs/events.py. What it prints goes to the job's log.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from enum import IntEnum

from core.errors import DuetError
from core.files.home import duet_home
from core.jobs.events import Failed
from core.jobs.parameters import EvaluateParameters, TrainParameters
from training.jobs.lifeline import follow_parent
from training.jobs.stopping import JobCancelledError, NotPermittedError, cancel_on_sigterm
from training.jobs.worker_line import WorkerLine


class ExitStatus(IntEnum):
    """What the worker learns from how the process ends; any other status means that it crashed."""

    DONE = 0
    FAILED = 1
    CANCELLED = 3
    NOT_PERMITTED = 4


def main(arguments: Sequence[str]) -> ExitStatus:
    """Do the job that the arguments describe."""
    job = _parse(arguments)
    follow_parent(job.parent)
    cancel_on_sigterm()
    line = WorkerLine(events=job.events, answers=sys.stdin.fileno())
    try:
        line.listen()
        _run(job, line)
    except JobCancelledError:
        return ExitStatus.CANCELLED
    except NotPermittedError:
        return ExitStatus.NOT_PERMITTED
    except Exception as error:
        line.send(Failed(error=type(error).__name__, message=_sentence(error)))
        with suppress(OSError):  # where the disk is full, that may be the error that was told
            traceback.print_exc()
        return ExitStatus.FAILED
    return ExitStatus.DONE


def _run(job: argparse.Namespace, line: WorkerLine) -> None:
    # Imported here, once the process is tied to its worker: torch takes seconds to load.
    if job.kind == "train":
        from training.jobs.train import train

        train(job.id, TrainParameters.model_validate_json(job.parameters), duet_home(), line, threads=job.threads)
    else:
        from training.jobs.evaluate import evaluate

        evaluate(job.id, EvaluateParameters.model_validate_json(job.parameters), duet_home(), line, threads=job.threads)


def _sentence(error: Exception) -> str:
    if isinstance(error, DuetError):
        return " ".join(str(error).split())
    return f"{error or 'no message'} (unexpected: the job's log has the traceback)"


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description="What a worker starts for each job.")
    job = parser.add_subparsers(required=True).add_parser("job", help="do one job and tell about it")
    job.add_argument("--id", required=True, help="of the job, and so of its run folder")
    job.add_argument("--kind", required=True, choices=("train", "evaluate"))
    job.add_argument("--parameters", required=True, help="of the job, as JSON")
    job.add_argument("--events", required=True, type=int, help="file descriptor to write events to")
    job.add_argument("--parent", required=True, type=int, help="process id of the worker")
    job.add_argument("--threads", required=True, type=int, help="processor threads")
    return parser.parse_args(arguments)

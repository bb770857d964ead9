"""What the script that ends an attempt, but not its job, is told: the limit, and what is then recorded."""

from __future__ import annotations

from typing import Any, Literal

from core.jobs.events import Finished, Interrupted, to_text
from core.jobs.records import JobFailure

MAX_RESUMPTIONS = 1


def interruption(reason: str, max_resumptions: int | Literal[""] = MAX_RESUMPTIONS) -> list[Any]:
    """Arguments of `interrupt.lua` after the token: the limit, the failure, and the event of every outcome.

    Args:
        reason: why the attempt ended.
        max_resumptions: how often the job may be queued again; "" for any number of times.
    """
    failure = JobFailure(
        type="InterruptedError", message=f"{reason}; it was resumed {MAX_RESUMPTIONS} time before: see the job's log"
    )
    return [
        max_resumptions,
        failure.model_dump_json(),
        to_text(Interrupted(reason=reason, resumes=True)),
        to_text(Interrupted(reason=reason, resumes=False)),
        to_text(Finished(state="failed")),
        to_text(Finished(state="cancelled")),
    ]

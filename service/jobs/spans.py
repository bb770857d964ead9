"""Spans of a job on both sides of the broker, with the attributes of OpenTelemetry's conventions for messaging.

The record of a job has the trace context of the span that created it, which the worker continues. See
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from core.jobs.parameters import JobKind
from core.jobs.records import JobRecord
from core.tracing.spans import Span, child_span
from core.tracing.tracer import Tracer

MESSAGE_ID = "messaging.message.id"
"""Attribute with the id of the job."""
_SYSTEM = "redis"


def sending(kind: JobKind) -> AbstractContextManager[Span | None]:
    """Context manager for recording a job at the broker; yields the span, or None if the request is not sampled."""
    attributes = {"messaging.system": _SYSTEM, "messaging.operation.type": "send", "messaging.destination.name": kind}
    return child_span(f"send {kind}", attributes, kind="producer")


def start_attempt_span(tracer: Tracer, record: JobRecord) -> Span | None:
    """Start the span of an attempt in the trace of the job's record, after the wait in the queue.

    Returns:
        The span, or None if the trace is not sampled.
    """
    span = tracer.start(f"process {record.kind}", record.traceparent, kind="consumer")
    if span is None:
        return None
    attributes: dict[str, str | bool | int | float] = {
        "messaging.system": _SYSTEM,
        "messaging.operation.type": "process",
        "messaging.destination.name": record.kind,
        MESSAGE_ID: record.id,
        "duet.job.attempt": record.attempt,
        "duet.request_id": record.request_id,
    }
    if record.claimed_at is not None and record.attempt == 1:
        attributes["duet.job.queue_seconds"] = (record.claimed_at - record.created_at).total_seconds()
    span.set(attributes)
    return span


def end_attempt_span(span: Span, status: int, stopped: str | None, failure: str | None) -> None:
    """End the span of an attempt.

    Args:
        span: of the attempt.
        status: exit status of the job's process, negative if a signal ended it.
        stopped: reason why the worker stopped it, if it did.
        failure: type of the error that the job reported, if it did.
    """
    attributes: dict[str, str | bool | int | float] = {"process.exit.code": status}
    if stopped is not None:
        attributes["duet.job.stopped"] = stopped
    span.set(attributes)
    span.end(error=failure or (f"exit status {status}" if status and stopped is None else None))

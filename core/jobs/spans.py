"""Spans of a job's process: the job, its stages and the epochs of a training, from the events that it reports."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import ConfigurationError
from core.jobs.events import Epoch, Failed, FitStarted, Permit, ReportedEvent, Stage
from core.jobs.parameters import JobKind
from core.tracing.spans import Span
from core.tracing.tracer import Tracer, start_tracer

TRACEPARENT = "TRACEPARENT"
"""Environment variable with the W3C trace context of the attempt."""


class JobSpans:
    """Turns events of a job into children of its span; without a span, it does nothing."""

    def __init__(self, job: Span | None) -> None:
        self._job = job
        self._stage: Span | None = None
        self._epoch: Span | None = None
        self._failure: str | None = None

    def observe(self, event: ReportedEvent | Permit) -> None:
        """Start a span for a stage, which ends with the next one, and for each epoch of its fit."""
        if self._job is None:
            return
        match event:
            case Stage(name=name):
                self._end_stage()
                self._stage = self._job.child(name)
            case FitStarted(steps=steps, done=done) if self._stage is not None:
                self._stage.set({"duet.steps": steps, "duet.steps.done": done})
                self._epoch = self._stage.child("epoch") if done < steps else None
            case Epoch(epoch=epoch, epochs=epochs) if self._stage is not None and self._epoch is not None:
                self._epoch.set({"duet.epoch": epoch, "duet.epochs": epochs})
                self._epoch.end()
                self._epoch = self._stage.child("epoch") if epoch < epochs else None
            case Failed(error=error):
                self._failure = error
            case _:
                pass

    def end(self, error: str | None = None) -> None:
        """End all spans; `error` is the type of an error that the job did not report."""
        if self._job is None:
            return
        error = error or self._failure
        if self._epoch is not None:
            self._epoch.end(error=error or "Interrupted")
        self._end_stage(error)
        self._job.end(error=error)

    def _end_stage(self, error: str | None = None) -> None:
        if self._stage is not None:
            self._stage.end(error=error)
        self._stage = None


@contextmanager
def job_spans(job_id: str, kind: JobKind) -> Iterator[JobSpans]:
    """Context manager around a job, which continues the trace of its worker if that is sampled.

    A training environment without OpenTelemetry does not keep the job from running: its log says what is missing.
    """
    tracer = _job_tracer()
    span = None if tracer is None else tracer.start(f"job {kind}", os.environ[TRACEPARENT])
    if span is not None:
        span.set({"duet.job.id": job_id})
    spans = JobSpans(span)
    try:
        yield spans
        spans.end()
    except BaseException as error:
        spans.end(type(error).__name__)
        raise
    finally:
        if tracer is not None:
            tracer.close()


def _job_tracer() -> Tracer | None:
    if TRACEPARENT not in os.environ:
        return None  # the worker does not trace the job
    try:
        return start_tracer("job")
    except ConfigurationError as error:
        print(f"this job is not traced: {error}", file=sys.stderr, flush=True)
        return None

"""Progress of a job, derived from its events."""

from __future__ import annotations

from collections.abc import Sequence

from core.jobs.events import AddedEvent, Epoch, FitStarted, Progress, ReportedEvent, Stage

Value = str | int | float | None


def progress_fields(events: Sequence[ReportedEvent | AddedEvent]) -> dict[str, Value]:
    """Fields of `JobProgress` that these events change, each with its last value."""
    fields: dict[str, Value] = {}
    for event in events:
        match event:
            case Stage(name=name):
                fields["stage"] = name
            case FitStarted(steps=steps, done=done):
                fields |= {"steps": steps, "step": done}
            case Progress():
                fields |= event.model_dump(exclude={"event"})
            case Epoch(epoch=epoch, epochs=epochs):
                fields |= {"epoch": epoch, "epochs": epochs}
            case _:
                pass
    return fields

"""What is measured, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Circumstance = Literal["first", "idle", "free", "queued"]
"""Of a job: the first that an API process sends, one that finds its worker idle, one that is sent the moment the job
before has ended, and one that has waited in the queue behind that job."""


@dataclass(frozen=True)
class Begun:
    """How a job began, in milliseconds on the broker's clock.

    Attributes:
        circumstance: of the job.
        claimed_ms: from its record to its claim; of a job that was queued, from the end of the job before it.
        first_step_ms: from its claim to the first step of its training.
    """

    circumstance: Circumstance
    claimed_ms: float
    first_step_ms: float


@dataclass(frozen=True)
class Asked:
    """What the clients of /predict saw in one measurement."""

    count: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Pair:
    """One round: the same schedule of predictions without a training and beside one, and its steps meanwhile."""

    alone: Asked
    beside: Asked
    steps_per_second: float


@dataclass
class Results:
    """Every sample of a run. `heard_ms` is from the storing of a child's event to its reading, of all jobs."""

    begun: list[Begun] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    heard_ms: list[float] = field(default_factory=list)
    idle_worker_cpu: float | None = None

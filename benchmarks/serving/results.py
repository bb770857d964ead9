"""What is measured, as plain data: the cells of the table, their samples, and the other parts of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from core.repository.manifest import Precision

TargetName = Literal["duet", "naive", "mosec"]
Body = Literal["multipart", "raw"]

TARGETS: tuple[TargetName, ...] = get_args(TargetName)
BODIES: tuple[Body, ...] = get_args(Body)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class Cell:
    """One row of the closed loop's table: who is asked, how, and by how many clients at a time."""

    target: TargetName
    body: Body
    precision: Precision
    clients: int

    def __str__(self) -> str:
        return f"{self.target} {self.body} {self.precision}, {self.clients} client{'s' * (self.clients > 1)}"


@dataclass(frozen=True)
class RawSpeed:
    """onnxruntime alone, one thread on the server's core.

    `core_share` is the CPU time over the wall time: below about 0.97, something else ran on that core.
    """

    batch_1_ms: float
    batch_32_images_per_second: float
    batch_32_images_per_cpu_second: float
    core_share: float


@dataclass(frozen=True)
class Load:
    """What the clients of one measurement saw. `errors` are answers other than 2xx and failed connections."""

    answered: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Answers with status 2xx per second."""
        return self.answered / self.seconds


@dataclass(frozen=True)
class Sample:
    """One round's measurement of a cell, with the raw speed measured just before it.

    `server_cpu` is the CPU time of the server's processes over the wall time: 1.0 is the whole of its core.
    """

    cell: Cell
    round: int
    load: Load
    raw: RawSpeed
    server_cpu: float


@dataclass(frozen=True)
class Memory:
    """Megabytes (10^6 bytes) of all processes of a server; PSS counts shared pages once over all processes."""

    rss_mb: float
    pss_mb: float


@dataclass(frozen=True)
class Overload:
    """One round of the open loop at a multiple of the capacity; see `overload.py` for the definitions."""

    precision: Precision
    round: int
    factor: float
    capacity_per_second: float
    capacity_p99_ms: float
    offered_per_second: float
    accepted_per_second: float
    accepted_p50_ms: float
    accepted_p99_ms: float
    rejected_share: float
    other_errors: int
    error_kinds: dict[str, int]
    retry_after_present: float
    retry_after_p50_ms: float | None
    rss_before_mb: float
    rss_third_mb: float
    rss_peak_mb: float
    rss_after_mb: float
    recovered: bool
    send_lateness_p99_ms: float


@dataclass(frozen=True)
class Scaling:
    """One round of one worker on one core against two workers on two."""

    round: int
    one: Load
    two: Load
    load_core_is_free: bool
    generator_cpu: float


@dataclass(frozen=True)
class ProcessCosts:
    """Of one API process: seconds from spawn to the first answer of each start, and memory where it was measured."""

    start_seconds: tuple[float, ...] = ()
    memory_warm: Memory | None = None
    memory_loaded: Memory | None = None
    champions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setup:
    """What was measured with what, as the head of the table states it."""

    model: str
    parameters: int
    macs: int
    cpu: str
    cores: int
    server_core: int
    load_core: int
    versions: dict[str, str]
    generator: str
    generator_per_second: float
    pictures: str
    rounds: int
    seconds: float
    load_average: float


@dataclass(frozen=True)
class Results:
    """Everything that one run measured; `left_out` says what it did not, and why."""

    setup: Setup
    samples: tuple[Sample, ...]
    overloads: tuple[Overload, ...]
    scalings: tuple[Scaling, ...]
    costs: ProcessCosts
    left_out: tuple[str, ...]

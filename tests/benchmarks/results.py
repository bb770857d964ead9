"""Results of a run that never was."""

from __future__ import annotations

from benchmarks.serving.results import (
    Body,
    Cell,
    Load,
    Memory,
    Overload,
    ProcessCosts,
    RawSpeed,
    Results,
    Sample,
    Scaling,
    Setup,
    TargetName,
)
from core.repository.manifest import Precision

SETUP = Setup(
    model="cnn@7",
    parameters=2_162_650,
    macs=132_100_000,
    cpu="a processor",
    cores=2,
    server_core=0,
    load_core=1,
    versions={"onnxruntime": "1.2.3"},
    generator="wrk 4",
    generator_per_second=60_000.0,
    pictures="256 drawn pictures",
    rounds=2,
    seconds=5.0,
    load_average=0.1,
)


def make_sample(
    target: TargetName = "duet",
    body: Body = "multipart",
    precision: Precision = "fp32",
    clients: int = 32,
    *,
    round_: int = 0,
    per_second: float = 360.0,
    p50_ms: float = 2.5,
    p99_ms: float = 3.0,
    errors: int = 0,
    raw_images: float = 400.0,
    raw_ms: float = 2.0,
    cpu: float = 1.0,
) -> Sample:
    """Five seconds of a cell."""
    load = Load(round(5 * per_second), errors, 5.0, p50_ms, p99_ms)
    return Sample(
        Cell(target, body, precision, clients), round_, load, RawSpeed(raw_ms, raw_images, raw_images, 1.0), cpu
    )


def make_overload(**fields: object) -> Overload:
    """An overload that was stood up to; `fields` replace some of its figures."""
    values: dict[str, object] = {
        "precision": "fp32",
        "round": 0,
        "factor": 5.0,
        "capacity_per_second": 400.0,
        "capacity_p99_ms": 160.0,
        "offered_per_second": 2000.0,
        "accepted_per_second": 380.0,
        "accepted_p50_ms": 300.0,
        "accepted_p99_ms": 400.0,
        "rejected_share": 0.81,
        "other_errors": 0,
        "error_kinds": {},
        "retry_after_present": 1.0,
        "retry_after_p50_ms": 320.0,
        "rss_before_mb": 150.0,
        "rss_third_mb": 160.0,
        "rss_peak_mb": 162.0,
        "rss_after_mb": 161.0,
        "recovered": True,
        "send_lateness_p99_ms": 1.0,
    }
    return Overload(**(values | fields))  # type: ignore[arg-type]


def make_scaling(one: float, two: float, *, generator_cpu: float = 0.05, load_core_is_free: bool = False) -> Scaling:
    """One worker's and two workers' rates."""
    loads = [Load(round(5 * rate), 0, 5.0, 60.0, 70.0) for rate in (one, two)]
    return Scaling(0, loads[0], loads[1], load_core_is_free, generator_cpu)


def make_results(
    *samples: Sample,
    overloads: tuple[Overload, ...] = (),
    scalings: tuple[Scaling, ...] = (),
    costs: ProcessCosts | None = None,
    left_out: tuple[str, ...] = (),
) -> Results:
    """A run that measured these."""
    return Results(SETUP, samples, overloads, scalings, costs or ProcessCosts(), left_out)


COSTS = ProcessCosts((0.7, 0.8, 0.6), Memory(150.0, 140.0), Memory(170.0, 160.0), ("cnn", "mlp"))

"""One run of the benchmark: its parts, one after the other, into one set of results."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path

from rich.console import Console

from benchmarks.serving.bench import Bench
from benchmarks.serving.closed_loop import python_load
from benchmarks.serving.costs import process_memory, start_seconds
from benchmarks.serving.headroom import ClosedLoop, generator_rate
from benchmarks.serving.machine import cpu_name, pick_cores, versions
from benchmarks.serving.messages import requests_for
from benchmarks.serving.model import Model, find_model
from benchmarks.serving.overload import overload_rounds
from benchmarks.serving.pictures import Pictures, cifar_pictures, drawn_pictures
from benchmarks.serving.plan import Plan
from benchmarks.serving.results import Overload, ProcessCosts, Results, Sample, Scaling, Setup
from benchmarks.serving.rounds import closed_loop_rounds
from benchmarks.serving.scaling import scaling_rounds
from benchmarks.serving.targets import Targets
from benchmarks.serving.wrk import wrk_load, wrk_path, wrk_version

PICTURES = 256


def run(plan: Plan, *, generator: str, data_dir: Path | None, console: Console) -> Results:
    """Measure what `plan` says; every server that was started is stopped when this returns or raises.

    Args:
        plan: what to measure.
        generator: `wrk`, `python`, or `auto` for wrk where it is installed.
        data_dir: where CIFAR-10 lies; without it, or for a model of another size, the pictures are drawn.
        console: for progress.

    Raises:
        DuetError: the benchmark cannot be run here, or a server failed.
    """
    model = find_model(plan.family, plan.models)
    pictures = _pictures(model, data_dir)
    name, closed_loop = _generator(generator)
    cores, core_count, load_average = pick_cores(), len(os.sched_getaffinity(0)), os.getloadavg()[0]
    os.sched_setaffinity(0, {cores.load})
    with tempfile.TemporaryDirectory(prefix="duet-bench-") as scratch:
        folder = Path(scratch)
        trivial = requests_for("multipart", "/", pictures.pngs)
        rate = generator_rate(closed_loop, trivial, core=cores.server, folder=folder)
        bench = Bench(plan, model, pictures, cores, closed_loop, rate, folder, console)
        setup = Setup(
            model=model.manifest.reference,
            parameters=model.manifest.cost.parameters,
            macs=model.manifest.cost.macs,
            cpu=cpu_name(),
            cores=core_count,
            server_core=cores.server,
            load_core=cores.load,
            versions=versions(),
            generator=name,
            generator_per_second=rate,
            pictures=str(pictures),
            rounds=plan.rounds,
            seconds=plan.seconds,
            load_average=load_average,
        )
        return _measure(bench, setup)


def _measure(bench: Bench, setup: Setup) -> Results:
    samples: list[Sample] = []
    overloads: list[Overload] = []
    scalings: list[Scaling] = []
    starts: tuple[float, ...] = ()
    warm = loaded = None
    parts = bench.plan.parts
    with closing(Targets(bench.model, bench.pictures, core=bench.cores.server, folder=bench.folder)) as targets:
        if "load" in parts:
            samples += closed_loop_rounds(bench, targets)
        if "overload" in parts:
            overloads += overload_rounds(bench, targets)
    if "workers" in parts:
        scalings += scaling_rounds(bench)
    if "start" in parts:
        starts = start_seconds(bench)
    if "memory" in parts:
        warm, loaded = process_memory(bench)
    costs = ProcessCosts(starts, warm, loaded, bench.model.champions)
    return Results(setup, tuple(samples), tuple(overloads), tuple(scalings), costs, tuple(bench.left_out))


def _pictures(model: Model, data_dir: Path | None) -> Pictures:
    size = model.manifest.input
    if data_dir is not None and (size.height, size.width) == (32, 32):
        return cifar_pictures(PICTURES, data_dir)
    return drawn_pictures(PICTURES, height=size.height, width=size.width)


def _generator(wanted: str) -> tuple[str, ClosedLoop]:
    path = wrk_path()
    if wanted == "wrk" or (wanted == "auto" and path is not None):
        return f"wrk {wrk_version(path)}" if path else "wrk", wrk_load
    return "Python load generator", python_load

"""Serving benchmark: rounds over all servers, engines and numbers of clients, then overload, cores and costs.

An engine is an execution provider in a precision.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.common import report as reports
from benchmarks.common.inputs import Engine, Model, find_model
from benchmarks.common.machine import describe_machine, pick_cores
from benchmarks.common.reference import measure_reference
from benchmarks.common.report import BenchmarkError, SkippedError, append, choose, split
from benchmarks.common.server import Server, cpu_seconds
from benchmarks.common.wrk import Load, warm_up, wrk_load, wrk_version
from benchmarks.serving import capture, overload, process, tracing
from benchmarks.serving.results import Cell, Loads, Results, cell_figures, goal_figures, race_figures, tables
from benchmarks.serving.servers import (
    BODIES,
    BODIES_OF,
    SERVERS,
    Body,
    ServerName,
    Setup,
    Targets,
    default_engine,
    start_targets,
)
from core.files.home import shipped_models

PARTS = ("load", "overload", "cores", "start", "memory", "capture", "shadow", "tracing")
FULL_CORE = 95.0
_BATCH, _IMAGES = 32, 256


@dataclass(frozen=True)
class Plan:
    """Cells and durations; `seconds` is the length of one measurement, `bodies` those of Duet's requests."""

    servers: tuple[ServerName, ...] = SERVERS
    parts: tuple[str, ...] = PARTS
    bodies: tuple[Body, ...] = ("multipart",)
    clients: tuple[int, ...] = (1, 32)
    rounds: int = 5
    seconds: float = 5.0
    raw_seconds: float = 0.5
    overload_seconds: float = 8.0
    cores_rounds: int = 3
    starts: int = 5

    def groups(self, round_: int, engines: Sequence[Engine]) -> Iterator[list[Cell]]:
        """Yield the cells of a round in comparable groups; each round starts with another cell."""
        pairs: list[tuple[ServerName, Body]] = [
            (server, body)
            for server in self.servers
            for body in BODIES_OF[server]
            if server != "duet" or body in self.bodies
        ]
        start = round_ % max(1, len(pairs))
        for engine in engines:
            for clients in self.clients:
                yield [(engine, clients, *pair) for pair in (*pairs[start:], *pairs[:start])]


def main(
    only: Annotated[str, typer.Option(help=f"Some of {', '.join((*SERVERS, *PARTS))}.")] = "",
    clients: Annotated[str, typer.Option(help="Numbers of concurrent clients, such as 1,32.")] = "",
    engine: Annotated[str, typer.Option(help="Engines such as cpu-fp32,openvino-bf16; default: all.")] = "",
    body: Annotated[str, typer.Option(help="Bodies of Duet's requests: multipart, raw or both.")] = "multipart",
    seconds: Annotated[float | None, typer.Option(min=1, max=60, help="Length of one measurement.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, max=20, help="Rounds over all cells.")] = None,
    models: reports.Models = None,
    family: reports.Family = "cnn",
    quick: Annotated[bool, typer.Option("--quick", help="Smoke run; its figures mean little.")] = False,
    out: reports.Out = None,
    markdown: reports.Markdown = None,
) -> None:
    """Measure Duet on one core against onnxruntime's own speed, a naive server and Mosec."""
    plan = make_plan(choose("--only", only, (*SERVERS, *PARTS)), quick=quick)
    plan = replace(
        plan,
        bodies=choose("--body", body, BODIES),
        clients=tuple(map(client_count, split(clients))) or plan.clients,
        rounds=rounds or plan.rounds,
        seconds=seconds or plan.seconds,
    )
    model = find_model(family, (models or shipped_models()).absolute())
    names = {f"{each.provider}-{each.precision}": each for each in model.engines()}
    engines = [names[name] for name in choose("--engine", engine, tuple(names))]
    head, cores = _head(plan, model), pick_cores()
    os.sched_setaffinity(0, {cores.load})
    with tempfile.TemporaryDirectory(prefix="duet-bench-") as folder:
        setup = Setup(model, model.draw_images(_IMAGES), cores, Path(folder))
        setup = replace(setup, default=default_engine(setup))
        results = measure(plan, setup, engines)
    head.append(f"With default settings, Duet runs the model with {setup.default}.")
    figures = goal_figures(results)
    samples = {
        "closed_loop": {f"{engine} {count} {server} {body}": each
                        for (engine, count, server, body), each in results.cells.items()},
        "figures": figures,
        "skipped": results.skipped,
    }  # fmt: skip
    reports.report("\n".join([*head, *_notes(results)]), tables(results, figures), samples, out=out, markdown=markdown)


def make_plan(names: Sequence[str], *, quick: bool) -> Plan:
    """Return the plan for the servers and parts of `--only`; servers without parts mean their closed loop."""
    servers = tuple(name for name in SERVERS if name in names) or SERVERS
    plan = Plan(servers, tuple(name for name in PARTS if name in names) or ("load",))
    if not quick:
        return plan
    return replace(plan, rounds=1, seconds=2.0, raw_seconds=0.3, overload_seconds=2.0, cores_rounds=1, starts=1)


def client_count(text: str) -> int:
    """Parse a number of clients; raises BenchmarkError."""
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise BenchmarkError(f"--clients {text}: use whole numbers from 1 to 1024, such as 1,32")
    return int(text)


def measure(plan: Plan, setup: Setup, engines: Sequence[Engine]) -> Results:
    """Run all parts of the plan; every server is stopped at the end."""
    results, console = Results(), reports.progress_console()
    served = [engine for engine in engines if "load" in plan.parts or engine == setup.default]
    if "load" in plan.parts or "overload" in plan.parts:
        names = plan.servers if "load" in plan.parts else ("duet",)
        with start_targets(setup, names, served, results.skipped.append) as targets:
            for round_ in range(plan.rounds):
                loads: Loads = {}
                for cells in plan.groups(round_, engines) if "load" in plan.parts else ():
                    loads |= measure_group(plan, setup, targets, cells, results, console)
                append(results.costs, race_figures(loads, setup.default))
                if "overload" in plan.parts:
                    measure_overload(plan, targets, setup.default, round_, results, console)
    for _ in range(plan.cores_rounds if "cores" in plan.parts else 0):
        measure_cores(plan, setup, results, console)
    costs: tuple[tuple[str, int, Callable[[int], dict[str, float]]], ...] = (
        ("start", plan.starts, lambda number: process.start_figures(setup, setup.folder / f"start-{number}")),
        ("memory", 1, lambda _: process.memory_figures(setup, plan.seconds)),
        ("capture", plan.rounds, lambda number: capture.capture_figures(setup, plan.seconds, number)),
        ("shadow", plan.rounds, lambda number: capture.shadow_figures(setup, plan.seconds, number)),
        ("tracing", plan.rounds, lambda _: tracing.tracing_figures(setup, plan.seconds)),
    )
    for part, rounds, call in costs:
        for number in range(rounds if part in plan.parts else 0):
            found = call(number)
            console.print(", ".join(f"{name} {value:.2f}" for name, value in found.items()))
            append(results.costs, found)
    return results


def measure_group(
    plan: Plan, setup: Setup, targets: Targets, cells: Sequence[Cell], results: Results, console: Console
) -> Loads:
    """Measure onnxruntime alone while all servers are idle, then the cells that are compared with it.

    Other load on the machine changes over minutes; figures taken far apart would show that instead.
    """
    engine, clients, *_ = cells[0]
    ready = [cell for cell in cells if (cell[0], *cell[2:]) in targets]
    if not ready and clients != plan.clients[0]:
        return {}
    raw = measure_raw(setup, engine, plan.raw_seconds)
    append(results.raw.setdefault((str(engine),), {}), raw)
    loads: Loads = {}
    for cell in ready:
        _, _, name, body = cell
        load, server_cpu = _load(*targets[engine, name, body], clients=clients, seconds=plan.seconds)
        loads[cell] = load
        found = cell_figures(load, raw, server_cpu)
        append(results.cells.setdefault(cell, {}), found)
        console.print(f"{' '.join(map(str, cell))}: {', '.join(f'{key} {value:.2f}' for key, value in found.items())}")
    return loads


def measure_overload(
    plan: Plan, targets: Targets, engine: Engine, round_: int, results: Results, console: Console
) -> None:
    """Measure the capacity and the overload of Duet with its default engine and raw bodies."""
    if (engine, "duet", "raw") not in targets:
        return
    server, requests = targets[engine, "duet", "raw"]
    capacity, _ = _load(server, requests, clients=overload.CAPACITY_CLIENTS, seconds=plan.seconds)
    try:
        found = overload.overload(server, requests, capacity, seconds=plan.overload_seconds, seed=round_)
    except SkippedError as reason:
        results.skipped.append(f"overload, round {round_ + 1}: {reason}")
        return
    append(results.overload.setdefault((str(engine),), {}), found)
    console.print(f"overload {engine}: {', '.join(f'{key} {value:.2f}' for key, value in found.items())}")


def measure_cores(plan: Plan, setup: Setup, results: Results, console: Console) -> None:
    """Measure each arrangement of processes and threads once."""
    for arrangement in process.arrangements(len(setup.cores.serving)):
        try:
            found = process.arrangement_figures(setup, arrangement, plan.seconds)
        except SkippedError as reason:
            results.skipped.append(f"cores: {reason}")
            continue
        append(results.cores.setdefault(arrangement, {}), found)
        console.print(f"cores, processes, threads {arrangement}: {found['requests/s']:.0f} requests/s")


def measure_raw(setup: Setup, engine: Engine, seconds: float) -> dict[str, float]:
    """Measure onnxruntime alone at batch 1 and batch 32."""
    core, version = setup.cores.server, setup.model.folder
    one = measure_reference("forward", version, core=core, seconds=seconds, engine=engine)
    batch = measure_reference("forward", version, core=core, seconds=seconds, images=_BATCH, engine=engine)
    images, wall = _BATCH * len(batch.seconds), sum(batch.seconds)
    return {
        "batch 1, ms": one.median_ms,
        "batch 32, images/s": images / wall,
        "batch 32, images per CPU s": images / batch.cpu_seconds,
        "share of the core, %": 100 * batch.cpu_seconds / wall,
    }


def _load(server: Server, requests: list[bytes], *, clients: int, seconds: float) -> tuple[Load, float]:
    """Warm the server up and load it; return the load and the server's CPU time over wall time."""
    warm_up(server.port, requests, clients=clients)
    processes = server.processes()
    before = cpu_seconds(processes)
    load = wrk_load(server.port, requests, clients=clients, seconds=seconds)
    server.require_alive()
    return load, (cpu_seconds(processes) - before) / load.seconds


def _head(plan: Plan, model: Model) -> list[str]:
    cost = model.manifest.cost
    return [
        f"{model.manifest.reference}: {cost.macs / 1e6:.1f} M multiply-accumulates per image, {cost.parameters:,} "
        "parameters.",
        describe_machine(),
        f"wrk {wrk_version()}, {_IMAGES} drawn images; {plan.rounds} round(s) of {plan.seconds:g} s. A figure is the "
        "median over rounds, with the lowest and the highest.",
    ]


def _notes(results: Results) -> Iterator[str]:
    """Yield the reasons why figures may be wrong, and the parts that were skipped."""
    shares = [share for figures in results.raw.values() for share in figures["share of the core, %"]]
    if min(shares, default=100.0) < FULL_CORE:
        yield f"Another process used the servers' core: onnxruntime alone once had {min(shares):.0f} % of it."
    yield from (f"Skipped: {line}" for line in results.skipped)

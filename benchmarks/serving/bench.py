"""Serving benchmark: rounds over all servers, precisions and numbers of clients, then overload, workers and costs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console

from benchmarks.common import report as reports
from benchmarks.common.inputs import Model, find_model
from benchmarks.common.machine import describe_machine, pick_cores
from benchmarks.common.reference import measure_reference
from benchmarks.common.report import BenchmarkError, Figures, Goal, SkippedError, TextTable, append, choose, split
from benchmarks.common.server import Server, cpu_seconds
from benchmarks.common.wrk import Load, warm_up, wrk_load, wrk_version
from benchmarks.serving import overload, process
from benchmarks.serving.servers import BODIES, BODIES_OF, SERVERS, Body, ServerName, Setup, Targets, start_targets
from core.files.home import shipped_models
from core.repository.manifest import Precision

PARTS = ("load", "overload", "workers", "start", "memory")
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
GOALS = (
    Goal("/ raw batch 32: fp32, 32 clients, duet multipart", ">=", 0.90),
    Goal("/ raw batch 32: int8, 32 clients, duet raw", ">=", 0.85),
    Goal("/ raw batch 32: int8, 32 clients, duet multipart", ">=", 0.78),
    Goal("duet multipart / mosec raw: fp32, 32 clients", ">=", 1.0),
    Goal("/ raw batch 1: fp32, 1 clients, duet multipart", "<=", 1.25),
    Goal("p99 / p50: *, 64 clients, duet *", "<=", 1.5),
    Goal("errors of duet", "<=", 0),
    *overload.GOALS,
    *process.GOALS,
)
FULL_CORE = 95.0
_BATCH, _IMAGES = 32, 256

Cell = tuple[Precision, int, ServerName, Body]
"""Precision, number of clients, server and body: one row of the closed-loop table."""


@dataclass(frozen=True)
class Plan:
    """Cells and durations; `seconds` is the length of one measurement, `starts` the number of process starts."""

    servers: tuple[ServerName, ...] = SERVERS
    parts: tuple[str, ...] = PARTS
    precisions: tuple[Precision, ...] = PRECISIONS
    bodies: tuple[Body, ...] = BODIES
    clients: tuple[int, ...] = (1, 8, 32, 64, 256)
    rounds: int = 3
    seconds: float = 5.0
    raw_seconds: float = 1.5
    overload_seconds: float = 12.0
    starts: int = 5

    def groups(self, round_: int) -> Iterator[list[Cell]]:
        """Yield the cells of a round in comparable groups; each round starts with another cell."""
        pairs = [(server, body) for server in self.servers for body in BODIES_OF[server] if body in self.bodies]
        start = round_ % max(1, len(pairs))
        for precision in self.precisions:
            for clients in self.clients:
                yield [(precision, clients, *pair) for pair in (*pairs[start:], *pairs[:start])]


@dataclass
class Results:
    """Values of each round: onnxruntime alone by precision, the closed loop by cell, overload by precision, costs."""

    raw: dict[tuple[str, ...], Figures] = field(default_factory=dict)
    cells: dict[Cell, Figures] = field(default_factory=dict)
    overload: dict[tuple[str, ...], Figures] = field(default_factory=dict)
    costs: Figures = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def main(
    only: Annotated[str, typer.Option(help=f"Some of {', '.join((*SERVERS, *PARTS))}.")] = "",
    clients: Annotated[str, typer.Option(help="Numbers of concurrent clients, such as 1,32.")] = "",
    precision: Annotated[str, typer.Option(help="fp32, int8 or both.")] = "",
    body: Annotated[str, typer.Option(help="multipart, raw or both.")] = "",
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
        precisions=choose("--precision", precision, PRECISIONS),
        bodies=choose("--body", body, BODIES),
        clients=tuple(map(client_count, split(clients))) or plan.clients,
        rounds=rounds or plan.rounds,
        seconds=seconds or plan.seconds,
    )
    model = find_model(family, (models or shipped_models()).absolute())
    head, cores = _head(plan, model), pick_cores()
    os.sched_setaffinity(0, {cores.load})
    with tempfile.TemporaryDirectory(prefix="duet-bench-") as folder:
        results = measure(plan, Setup(model, model.draw_images(_IMAGES), cores, Path(folder)))
    figures = goal_figures(results)
    samples = {
        "closed_loop": {f"{precision} {count} {server} {body}": each
                        for (precision, count, server, body), each in results.cells.items()},
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
    return replace(plan, clients=(1, 8, 32), rounds=1, seconds=2.0, raw_seconds=0.3, overload_seconds=2.0, starts=1)


def client_count(text: str) -> int:
    """Parse a number of clients; raises BenchmarkError."""
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise BenchmarkError(f"--clients {text}: use whole numbers from 1 to 1024, such as 1,32")
    return int(text)


def measure(plan: Plan, setup: Setup) -> Results:
    """Run all parts of the plan; every server is stopped at the end."""
    results, console = Results(), reports.progress_console()
    if "load" in plan.parts or "overload" in plan.parts:
        names = plan.servers if "load" in plan.parts else ("duet",)
        with start_targets(setup, names, plan.precisions, results.skipped.append) as targets:
            for round_ in range(plan.rounds):
                for cells in plan.groups(round_) if "load" in plan.parts else ():
                    measure_group(plan, setup, targets, cells, results, console)
                if "overload" in plan.parts:
                    measure_overload(plan, targets, round_, results, console)
    costs: tuple[tuple[str, int, Callable[[], dict[str, float]]], ...] = (
        ("workers", plan.rounds, lambda: process.scaling_figures(setup, plan.seconds)),
        ("start", plan.starts, lambda: process.start_figures(setup)),
        ("memory", 1, lambda: process.memory_figures(setup, plan.seconds)),
    )
    for part, rounds, call in costs:
        for _ in range(rounds if part in plan.parts else 0):
            try:
                found = call()
            except SkippedError as reason:
                results.skipped.append(f"{part}: {reason}")
                break
            console.print(", ".join(f"{name} {value:.2f}" for name, value in found.items()))
            append(results.costs, found)
    return results


def measure_group(
    plan: Plan, setup: Setup, targets: Targets, cells: Sequence[Cell], results: Results, console: Console
) -> None:
    """Measure onnxruntime alone while all servers are idle, then the cells that are compared with it.

    Other load on the machine changes over minutes; figures taken far apart would show that instead.
    """
    ready = [cell for cell in cells if (cell[0], *cell[2:]) in targets]
    if not ready:
        return
    precision, clients, *_ = ready[0]
    raw = measure_raw(setup, precision, plan.raw_seconds)
    append(results.raw.setdefault((precision,), {}), raw)
    loads: dict[tuple[str, str], Load] = {}
    for cell in ready:
        _, _, name, body = cell
        load, server_cpu = _load(*targets[precision, name, body], clients=clients, seconds=plan.seconds)
        loads[name, body] = load
        found = cell_figures(load, raw, server_cpu)
        append(results.cells.setdefault(cell, {}), found)
        console.print(f"{' '.join(map(str, cell))}: {', '.join(f'{key} {value:.2f}' for key, value in found.items())}")
    if {("duet", "multipart"), ("mosec", "raw")} <= loads.keys():
        ratio = loads["duet", "multipart"].per_second / loads["mosec", "raw"].per_second
        append(results.costs, {f"duet multipart / mosec raw: {precision}, {clients} clients": ratio})


def measure_overload(plan: Plan, targets: Targets, round_: int, results: Results, console: Console) -> None:
    """Measure the capacity and the overload of Duet in each precision, with raw bodies."""
    for precision in plan.precisions:
        if (precision, "duet", "raw") in targets:
            server, requests = targets[precision, "duet", "raw"]
            capacity, _ = _load(server, requests, clients=overload.CAPACITY_CLIENTS, seconds=plan.seconds)
            try:
                found = overload.overload(server, requests, capacity, seconds=plan.overload_seconds, seed=round_)
            except SkippedError as reason:
                results.skipped.append(f"overload {precision}, round {round_ + 1}: {reason}")
                continue
            append(results.overload.setdefault((precision,), {}), found)
            console.print(f"overload {precision}: {', '.join(f'{key} {value:.2f}' for key, value in found.items())}")


def measure_raw(setup: Setup, precision: Precision, seconds: float) -> dict[str, float]:
    """Measure onnxruntime alone at batch 1 and batch 32."""
    core, version = setup.cores.server, setup.model.folder
    one = measure_reference("forward", version, core=core, seconds=seconds, precision=precision)
    batch = measure_reference("forward", version, core=core, seconds=seconds, images=_BATCH, precision=precision)
    images, wall = _BATCH * len(batch.seconds), sum(batch.seconds)
    return {
        "batch 1, ms": one.median_ms,
        "batch 32, images/s": images / wall,
        "batch 32, images per CPU s": images / batch.cpu_seconds,
        "share of the core, %": 100 * batch.cpu_seconds / wall,
    }


def cell_figures(load: Load, raw: dict[str, float], server_cpu: float) -> dict[str, float]:
    """Return the columns of the closed-loop table; `server_cpu` is the servers' CPU time over wall time."""
    per_cpu_second = load.per_second / server_cpu if server_cpu else float("nan")
    return {
        "requests/s": load.per_second,
        "/ raw batch 32": load.per_second / raw["batch 32, images/s"],
        "per CPU s": per_cpu_second / raw["batch 32, images per CPU s"],
        "p50, ms": load.p50_ms,
        "/ raw batch 1": load.p50_ms / raw["batch 1, ms"],
        "p99, ms": load.p99_ms,
        "p99 / p50": load.p99_ms / load.p50_ms,
        "errors": load.errors,
        "core, %": 100 * server_cpu,
    }


def goal_figures(results: Results) -> Figures:
    """Return all figures that may have a goal."""
    found: Figures = {}
    for (precision, clients, server, body), figures in results.cells.items():
        found |= {f"{key}: {precision}, {clients} clients, {server} {body}": each for key, each in figures.items()}
    errors = [sum(figures["errors"]) for (_, _, server, _), figures in results.cells.items() if server == "duet"]
    found |= {"errors of duet": [sum(errors)]} if errors else {}
    for (name,), figures in results.overload.items():
        found |= {f"{overload.FACTOR} x overload, {name}: {key}": each for key, each in figures.items()}
    return found | results.costs


def tables(results: Results, figures: Figures) -> list[TextTable]:
    """Return all tables that have rows."""
    cells = {tuple(map(str, cell)): results.cells[cell] for cell in sorted(results.cells)}
    found = [
        reports.columns_table("onnxruntime alone, one thread", ("precision",), results.raw),
        reports.columns_table("Closed loop", ("precision", ">clients", "server", "body"), cells),
        reports.columns_table("Overload", ("precision",), results.overload),
        *reports.figure_tables("Process", results.costs, GOALS)[:1],
        reports.goals_table(reports.check_goals(GOALS, figures)),
    ]
    return [table for table in found if table.rows]


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

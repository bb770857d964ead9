"""Results of the serving benchmark: figures of each round, their goals and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.common import report as reports
from benchmarks.common.inputs import CPU, Engine
from benchmarks.common.report import Figures, Goal, TextTable
from benchmarks.common.wrk import Load
from benchmarks.serving import capture, overload, process, tracing
from benchmarks.serving.process import Arrangement
from benchmarks.serving.servers import Body, ServerName

DEFAULTS = "duet with default settings / {} on cpu fp32"
"""Throughput of Duet with default settings over that of another server with its own defaults."""
SAME = "duet / {} on the same engine"
GOALS = (
    Goal(f"{DEFAULTS.format('*')}: 32 clients", ">=", 4.0),
    Goal(f"{SAME.format('mosec')}: *, 32 clients", ">=", 1.05),
    Goal("/ raw batch 32: cpu fp32, 32 clients, duet multipart", ">=", 0.90),
    Goal("/ raw batch 32: * bf16, 32 clients, duet multipart", ">=", 0.83),
    Goal("/ raw batch 32: * int8, 32 clients, duet multipart", ">=", 0.78),
    Goal("/ raw batch 1: * fp32, 1 clients, duet multipart", "<=", 1.2),
    Goal("/ raw batch 1: * bf16, 1 clients, duet multipart", "<=", 1.2),
    Goal("errors of duet", "<=", 0),
    *overload.GOALS,
    *process.GOALS,
    *capture.GOALS,
    *tracing.GOALS,
)

Cell = tuple[Engine, int, ServerName, Body]
"""Engine, number of clients, server and body: one row of the closed-loop table."""
Loads = dict[Cell, Load]


@dataclass
class Results:
    """Values of each round: onnxruntime alone by engine, the closed loop by cell, overload by engine, and the rest."""

    raw: dict[tuple[str, ...], Figures] = field(default_factory=dict)
    cells: dict[Cell, Figures] = field(default_factory=dict)
    overload: dict[tuple[str, ...], Figures] = field(default_factory=dict)
    cores: dict[Arrangement, Figures] = field(default_factory=dict)
    costs: Figures = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def race_figures(loads: Mapping[Cell, Load], default: Engine) -> dict[str, float]:
    """Return the ratios of Duet's requests/s to those of the other servers in one round."""
    found: dict[str, float] = {}
    for (engine, clients, name, _), load in loads.items():
        if name == "duet":
            continue
        if engine == CPU and (default, clients, "duet", "multipart") in loads:
            ours = loads[default, clients, "duet", "multipart"]
            found[f"{DEFAULTS.format(name)}: {clients} clients"] = ours.per_second / load.per_second
        if (engine, clients, "duet", "multipart") in loads:
            ours = loads[engine, clients, "duet", "multipart"]
            found[f"{SAME.format(name)}: {engine}, {clients} clients"] = ours.per_second / load.per_second
    return found


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
    for (engine, clients, server, body), figures in results.cells.items():
        found |= {f"{key}: {engine}, {clients} clients, {server} {body}": each for key, each in figures.items()}
    errors = [sum(figures["errors"]) for (_, _, server, _), figures in results.cells.items() if server == "duet"]
    found |= {"errors of duet": [sum(errors)]} if errors else {}
    for (name,), figures in results.overload.items():
        found |= {f"{overload.FACTOR} x overload, {name}: {key}": each for key, each in figures.items()}
    return found | results.costs


def tables(results: Results, figures: Figures) -> list[TextTable]:
    """Return all tables that have rows."""
    cells = {tuple(map(str, cell)): each for cell, each in sorted(results.cells.items())}
    cores = {tuple(map(str, arrangement)): each for arrangement, each in results.cores.items()}
    found = [
        reports.columns_table("onnxruntime alone, one thread", ("engine",), results.raw),
        reports.columns_table("Closed loop", ("engine", ">clients", "server", "body"), cells),
        reports.columns_table("Overload", ("engine",), results.overload),
        reports.columns_table("Several cores", (">cores", ">processes", ">threads"), cores),
        reports.plain_table("Ratios, start and memory", results.costs, GOALS),
        reports.goals_table(reports.check_goals(GOALS, figures)),
    ]
    return [table for table in found if table.rows]

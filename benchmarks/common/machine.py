"""CPU cores of the servers and the load, and the description of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.common.report import BenchmarkError
from core.cpu import cpu_name

_PACKAGES = ("onnxruntime", "onnxruntime-ep-openvino", "numpy", "pillow", "uvicorn", "fastapi", "mosec")


@dataclass(frozen=True)
class Cores:
    """Cores of the servers and the load.

    Attributes:
        server: core of a server on one core.
        load: core of the load.
        serving: all cores in the order in which a server on several cores gets them; the last one is that of the load.
    """

    server: int
    load: int
    serving: tuple[int, ...]


def pick_cores() -> Cores:
    """Choose the cores, on different physical cores where possible.

    Raises BenchmarkError if the process may use only one core, or the system cannot pin processes.
    """
    if not hasattr(os, "sched_getaffinity"):
        raise BenchmarkError("servers are pinned to one core, which needs Linux: run the benchmark there")
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise BenchmarkError("the server and the load each need a core, but this process may use only one")
    by_physical_core = {_siblings(core): core for core in reversed(allowed)}
    distinct = sorted(by_physical_core.values())
    server, load, *more = distinct if len(distinct) > 1 else allowed
    return Cores(server, load, (server, *more, load))


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Restrict the calling thread, and every process that it starts meanwhile, to these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def describe_machine() -> str:
    """Return the processor, the number of usable cores, the load average and the versions that matter."""
    found = [f"kernel {os.uname().release.partition('-')[0]}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0))
    return f"{cpu_name()}, {cores} cores; load average {os.getloadavg()[0]:.1f} at the start. {', '.join(found)}."


def _siblings(core: int) -> str:
    """Return the list of logical cores on the same physical core, as the kernel writes it."""
    try:
        return (
            Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text(encoding="utf-8").strip()
        )
    except OSError:
        return str(core)

"""The machine: which cores the servers and the load get, and what to call the processor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.serving.errors import BenchmarkError

_PACKAGES = ("onnxruntime", "numpy", "pillow", "uvicorn", "fastapi", "mosec")
_CPUS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Cores:
    """Which core does what. With only two, the second worker's core is the one that the load comes from."""

    server: int
    second: int
    load: int

    @property
    def load_is_free(self) -> bool:
        """Whether the load has a core of its own even beside two workers."""
        return self.second != self.load


def pick_cores() -> Cores:
    """Cores for the server, its second worker and the load, on different physical cores where that can be had.

    Raises:
        BenchmarkError: this process may use only one core, or the system cannot pin processes.
    """
    if not hasattr(os, "sched_getaffinity"):
        raise BenchmarkError("servers are pinned to one core, which only Linux can do: run the benchmark there")
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise BenchmarkError("the server and the load each need a core, and this process may use only one")
    distinct = [core for core in allowed if min(_siblings(core) & set(allowed)) == core]
    server, load, *more = distinct if len(distinct) > 1 else allowed
    return Cores(server, more[0] if more else load, load)


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Restrict the calling thread, and every process that it starts meanwhile, to these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_name() -> str:
    """The processor as the system names it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


def versions() -> dict[str, str]:
    """The version of each package that matters here and is installed, and of the system's kernel, without its build."""
    found = {"kernel": os.uname().release.partition("-")[0]}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _siblings(core: int) -> set[int]:
    """The logical cores of the same physical core, itself included."""
    try:
        listed = (_CPUS / f"cpu{core}" / "topology" / "thread_siblings_list").read_text().strip()
    except OSError:
        return {core}
    found: set[int] = set()
    for part in listed.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found

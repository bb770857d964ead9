"""CPU of this machine: name, instruction set extensions, and number of cores available to this process."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def cpu_name() -> str:
    """CPU name as reported by the system, with the instruction set extensions relevant for inference."""
    extensions = cpu_extensions()
    name = _cpu_fields().get("model name") or platform.processor() or platform.machine()
    return f"{name} ({', '.join(extensions)})" if extensions else name


def cpu_extensions() -> tuple[str, ...]:
    """Instruction set extensions of the processor that matter for the speed of inference; empty outside Linux."""
    flags = set(_cpu_fields().get("flags", "").split())
    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    return tuple(name for name in known if name in flags)


def _cpu_fields() -> dict[str, str]:
    """Fields of the last processor in /proc/cpuinfo; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def available_cores(cgroup: Path = _CGROUP) -> int:
    """Number of cores this process may use, at least 1: its CPU affinity, limited by its cgroup quota.

    In a container, `os.cpu_count()` counts the cores of the host.

    Args:
        cgroup: mount point of the control groups, version 2 (`cpu.max`) or 1 (`cpu/cpu.cfs_quota_us`).
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return affinity if quota is None else max(1, min(affinity, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """Cores granted by the control group; None without a limit."""
    try:
        limit, period = (cgroup / "cpu.max").read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        try:
            limit = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text(encoding="utf-8").strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text(encoding="utf-8").strip()
        except OSError:
            return None
    try:
        cores = int(limit) / int(period)
    except (ValueError, ZeroDivisionError):  # "max": no limit
        return None
    return cores if cores > 0 else None

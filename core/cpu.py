"""CPU of this machine: its name and the instruction set extensions that matter for the speed of inference."""

from __future__ import annotations

import platform
from pathlib import Path


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

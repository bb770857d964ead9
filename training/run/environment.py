"""Environment record of a version: machine, library versions and digest of the source code."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import numpy as np
import torch

import core
import training
from core.release import release
from core.repository.manifest import EnvironmentRecord
from core.repository.onnx_session import runtime_version
from training.run.checkpoint import Dtype


def environment_record(*, threads: int, dtype: Dtype, device: torch.device) -> EnvironmentRecord:
    """Library versions, CPU or GPU name, number of threads and number format."""
    return EnvironmentRecord(
        duet=release(),
        python=platform.python_version(),
        torch=torch.__version__,
        numpy=np.__version__,
        onnxruntime=runtime_version(),
        platform=f"{platform.system()} {platform.machine()}",
        cpu=cpu_name(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        threads=threads,
        dtype=dtype,
    )


def source_digest() -> str:
    """sha256 over the names and contents of all Python files of `core` and `training`, sorted by name."""
    digest = hashlib.sha256()
    for package in (core, training):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{package.__name__}/{path.relative_to(root).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def cpu_name() -> str:
    """CPU name as reported by the system, with the instruction set extensions relevant for inference."""
    extensions = cpu_extensions()
    name = _cpu_fields().get("model name") or platform.processor() or platform.machine()
    return f"{name} ({', '.join(extensions)})" if extensions else name


def cpu_extensions() -> tuple[str, ...]:
    """Instruction set extensions of the processor that decide the speed of inference; empty outside Linux."""
    flags = set(_cpu_fields().get("flags", "").split())
    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    return tuple(name for name in known if name in flags)


def _cpu_fields() -> dict[str, str]:
    """Fields of /proc/cpuinfo, of the last processor; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}

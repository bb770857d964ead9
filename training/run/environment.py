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
    """Record the library versions, the CPU or GPU name, the number of threads and the number format."""
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
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    flags = set(fields.get("flags", "").split())
    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    extensions = [name for name in known if name in flags]
    name = fields.get("model name", platform.machine())
    return f"{name} ({', '.join(extensions)})" if extensions else name

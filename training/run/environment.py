"""Environment record of a version: machine, library versions and digest of the source code."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import numpy as np
import torch

import core
import training
from core.cpu import cpu_name
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

"""Opening exported models in onnxruntime, in one way for those who serve them and those who judge them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

# onnxruntime reports use to its vendor and keeps a device id in the home folder unless this is set before it is
# imported, which is why nothing else in the project imports it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_ERRORS_ONLY = 3


def open_session(path: Path, *, threads: int) -> InferenceSession:
    """The graph at `path` on the CPU, ready to run; every run uses `threads` threads, the caller's own included.

    Opened by path rather than from bytes, because the weights are external data in a file beside it.

    Raises:
        Exception: onnxruntime has no common base for what it raises on a graph it cannot open.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def runtime_version() -> str:
    """The version of onnxruntime that runs the graphs."""
    return str(onnxruntime.__version__)

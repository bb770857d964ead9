"""onnxruntime sessions for exported models, with the same options in serving and evaluation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

# This must be set before onnxruntime is imported, so no other module imports it. Otherwise onnxruntime reports usage to
# its vendor and stores a device id in the home folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_ERRORS_ONLY = 3


def open_session(path: Path, *, threads: int) -> InferenceSession:
    """Load the graph at `path` on the CPU; a run uses `threads` threads, the caller's included.

    The graph is loaded by path because its weights are external data in a file beside it.

    Raises:
        Exception: the graph cannot be loaded; onnxruntime's errors have no common base class.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def runtime_version() -> str:
    """Version of onnxruntime."""
    return str(onnxruntime.__version__)

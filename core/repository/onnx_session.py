"""onnxruntime sessions for exported models and the execution providers that run them, shared by serving and evaluation.

An execution provider is a backend of onnxruntime. `cpu` is built in and is the reference: versions are evaluated with
it. `openvino` is a plugin, the package onnxruntime-ep-openvino, and can compute in bfloat16. `cuda` needs
onnxruntime-gpu in place of onnxruntime.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_args

from core.errors import ConfigurationError
from core.repository.graph_records import ProviderName
from core.repository.manifest import Precision

# This must be set before onnxruntime is imported, so no other module imports it. Otherwise onnxruntime reports usage to
# its vendor and stores a device id in the home folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions

PROVIDER_NAMES: tuple[ProviderName, ...] = get_args(ProviderName)
_ERRORS_ONLY = 3
_OPENVINO_PACKAGE = "onnxruntime-ep-openvino"
_OPENVINO = "OpenVINOExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_OPENVINO_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""Number format in which OpenVINO computes; for the int8 graph, that of the layers that are not quantized."""
_INSTALL: dict[ProviderName, str] = {
    "openvino": "install the extra `openvino` (`pip install 'duet-vision[openvino]'`), on Linux with an Intel CPU",
    "cuda": "replace the package onnxruntime by onnxruntime-gpu, on a machine with an NVIDIA GPU",
}


@dataclass(frozen=True)
class Provider:
    """An execution provider that is installed and works on this machine.

    Attributes:
        name: name in settings and responses.
        precisions: precisions in which it can run a version.
        versions: versions of its packages; they identify measurements.
    """

    name: ProviderName
    precisions: frozenset[Precision]
    versions: str


class ProviderMissingError(ConfigurationError):
    """An execution provider is not installed or does not work on this machine; the message says what to install."""


def open_session(
    path: Path,
    *,
    threads: int,
    provider: ProviderName = "cpu",
    precision: Precision = "fp32",
    parallel_runs: int = 1,
) -> InferenceSession:
    """Load the graph at `path`; a run uses `threads` threads, including the caller's with the CPU provider.

    The graph is loaded by path because its weights are external data in a file beside it.

    Args:
        path: the ONNX file.
        threads: number of threads per run.
        provider: execution provider.
        precision: number format of the computation; `int8` is that of a quantized graph.
        parallel_runs: number of runs at a time. OpenVINO needs to know it in advance.

    Raises:
        ProviderMissingError: the provider is not installed.
        Exception: the graph cannot be loaded; onnxruntime's errors have no common base class.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    find_provider(provider)
    if provider == "openvino":
        _add_openvino(options, precision, threads=threads, parallel_runs=parallel_runs)
        return onnxruntime.InferenceSession(path, options)
    if provider == "cuda":
        # TF32 would round the operands of float32 products to 10 bits of mantissa.
        return onnxruntime.InferenceSession(
            path, options, providers=[(_CUDA, {"use_tf32": "0"}), "CPUExecutionProvider"]
        )
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def find_provider(name: ProviderName) -> Provider:
    """The provider `name`; its plugin is registered with onnxruntime on the first call.

    Raises:
        ProviderMissingError: it is not installed or does not work here.
    """
    found = _find(name)
    if isinstance(found, str):
        raise ProviderMissingError(f"the execution provider {name} is not available ({found}): {_INSTALL[name]}")
    return found


def find_providers(names: Sequence[ProviderName]) -> tuple[Provider, ...]:
    """The providers `names`, in order.

    Raises:
        ProviderMissingError: one of them is not installed or does not work here.
    """
    return tuple(find_provider(name) for name in names)


def installed_providers() -> tuple[Provider, ...]:
    """All providers that work on this machine."""
    return tuple(found for name in PROVIDER_NAMES if isinstance(found := _find(name), Provider))


def runtime_version() -> str:
    """Version of onnxruntime."""
    return str(onnxruntime.__version__)


@cache
def _find(name: ProviderName) -> Provider | str:
    """The provider, or the reason why it is not available."""
    if name == "openvino":
        return _find_openvino()
    if name == "cuda":
        if _CUDA not in onnxruntime.get_available_providers():
            return "this onnxruntime has no CUDA"
        return Provider(name, frozenset({"fp32"}), f"onnxruntime-gpu {runtime_version()}")
    return Provider("cpu", frozenset({"fp32", "int8"}), f"onnxruntime {runtime_version()}")


def _find_openvino() -> Provider | str:
    try:
        plugin = importlib.import_module(_OPENVINO_PACKAGE.replace("-", "_"))
    except ImportError:
        return f"the package {_OPENVINO_PACKAGE} is not installed"
    if not hasattr(onnxruntime, "register_execution_provider_library"):
        return f"onnxruntime {runtime_version()} has no plugins, it needs version 1.31 or later"
    try:
        device = _register_openvino(plugin)
    except Exception as error:  # onnxruntime has no common base class for its errors
        return f"onnxruntime {runtime_version()} cannot load the plugin: {str(error).strip().splitlines()[0]}"
    if device is None:
        return "the plugin has no device for this CPU, it supports CPUs of Intel only"
    precisions: set[Precision] = {"fp32", "int8"}
    if "BF16" in device.ep_metadata.get("OPTIMIZATION_CAPABILITIES", "").split():
        precisions.add("bf16")
    plugin_version = importlib.metadata.version(_OPENVINO_PACKAGE)
    return Provider(
        "openvino", frozenset(precisions), f"onnxruntime {runtime_version()}, {_OPENVINO_PACKAGE} {plugin_version}"
    )


def _register_openvino(plugin: ModuleType) -> Any:
    """Register the plugin, which is possible once per process; return its CPU device, or None."""
    if not _openvino_devices():
        onnxruntime.register_execution_provider_library(_OPENVINO, plugin.get_library_path())
    return next(iter(_openvino_devices()), None)


def _openvino_devices() -> list[Any]:
    cpu = onnxruntime.OrtHardwareDeviceType.CPU
    return [each for each in onnxruntime.get_ep_devices() if each.ep_name == _OPENVINO and each.device.type == cpu]


def _add_openvino(options: SessionOptions, precision: Precision, *, threads: int, parallel_runs: int) -> None:
    settings = {
        "num_of_threads": str(threads * parallel_runs),
        "num_streams": str(parallel_runs),
        "load_config": json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": _OPENVINO_HINTS[precision]}}),
    }
    options.add_provider_for_devices(_openvino_devices()[:1], settings)

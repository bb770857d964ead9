"""Device and number format (float32 or bfloat16) of training and inference."""

from __future__ import annotations

import torch

from core.cpu import cpu_extensions
from training.run.checkpoint import Dtype

_BFLOAT16_EXTENSIONS = frozenset({"amx_bf16", "avx512_bf16"})


def pick_device() -> torch.device:
    """The first CUDA device if available, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device, dtype: Dtype) -> torch.autocast:
    """Context manager that runs matrix products and convolutions in `dtype`; weights stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16")


def pick_dtype(device: torch.device) -> Dtype:
    """bfloat16 if the device multiplies it in hardware, float32 otherwise.

    The machine alone decides, not a measurement, so that a command that is run twice on one machine gives the same
    weights. Emulated bfloat16 is slower than float32.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if _BFLOAT16_EXTENSIONS & set(cpu_extensions()) else "float32"

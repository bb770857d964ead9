"""Device and number format (float32 or bfloat16) of training and inference."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from training.networks.layers import seed_dropout
from training.run.checkpoint import Dtype

_TIMED_STEPS = 3
_MIN_SPEEDUP = 1.3
"""Speed-up from which bfloat16 is chosen, so that timing noise does not change the weights of a run."""


def pick_device() -> torch.device:
    """The first CUDA device if available, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device, dtype: Dtype) -> torch.autocast:
    """Context manager that runs matrix products and convolutions in `dtype`; weights stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16")


def pick_dtype(network: nn.Module, pixels_NHWC: Tensor, loss: Callable[[Tensor], Tensor]) -> tuple[Dtype, str]:
    """Choose bfloat16 for training if it is at least 1.3 times as fast as float32.

    Forward and backward passes of a copy of the network are timed, because bfloat16 is fast with hardware support and
    very slow where it is emulated.

    Args:
        network: the network to train, on its device; it is not changed.
        pixels_NHWC: float32 [N, H, W, 3], a batch on the same device.
        loss: logits -> scalar.

    Returns:
        The number format, and a message with both times.
    """
    trial = copy.deepcopy(network).train()
    seed_dropout(trial, torch.Generator(pixels_NHWC.device).manual_seed(0))

    def step(dtype: Dtype) -> None:
        with autocast(pixels_NHWC.device, dtype):
            logits_NK = trial(pixels_NHWC)
        loss(logits_NK).backward()
        trial.zero_grad()

    return _faster(step, "a step", cuda=pixels_NHWC.is_cuda)


@torch.inference_mode()
def pick_inference_dtype(network: nn.Module, pixels_NHWC: Tensor) -> tuple[Dtype, str]:
    """Like `pick_dtype`, but for the forward pass of a network in evaluation mode."""

    def forward(dtype: Dtype) -> None:
        with autocast(pixels_NHWC.device, dtype):
            network(pixels_NHWC)

    return _faster(forward, f"a batch of {len(pixels_NHWC)}", cuda=pixels_NHWC.is_cuda)


def _faster(run: Callable[[Dtype], None], unit: str, *, cuda: bool) -> tuple[Dtype, str]:
    seconds: dict[Dtype, float] = {}
    candidates: tuple[Dtype, ...] = ("float32", "bfloat16")
    for dtype in candidates:
        times = []
        for _ in range(_TIMED_STEPS + 1):
            started = time.perf_counter()
            run(dtype)
            if cuda:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        seconds[dtype] = min(times[1:])  # the first run allocates memory and selects kernels
    chosen: Dtype = "bfloat16" if seconds["float32"] > _MIN_SPEEDUP * seconds["bfloat16"] else "float32"
    milliseconds = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in seconds.items())
    return chosen, f"computing in {chosen} ({unit} takes {milliseconds})"

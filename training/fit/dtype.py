"""Choosing where and in which number format a network is trained."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from training.networks.layers import seed_dropout
from training.run.checkpoint import Dtype

_TIMED_STEPS = 3
_CLEARLY = 1.3
"""How much faster bfloat16 must be: on a machine where the two are close, noise shall not decide a run's weights."""


def pick_device() -> torch.device:
    """The accelerator if there is one, the CPU otherwise."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device, dtype: Dtype) -> torch.autocast:
    """Context in which matrix products and convolutions run in `dtype`; weights stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16")


def pick_dtype(network: nn.Module, pixels_NHWC: Tensor, loss: Callable[[Tensor], Tensor]) -> tuple[Dtype, str]:
    """Time forward and backward passes in float32 and in bfloat16; bfloat16 if it is clearly faster.

    bfloat16 is much faster where the processor multiplies it in hardware and a trap where it is emulated, so it is
    measured rather than looked up. The network itself is left as it was: a copy is timed.

    Args:
        network: the network to train, on its device.
        pixels_NHWC: a batch of float32 pixels on the same device.
        loss: logits -> scalar.

    Returns:
        The dtype and a sentence with both times.
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
    """As `pick_dtype`, for forward passes alone, of a network in evaluation mode."""

    def answer(dtype: Dtype) -> None:
        with autocast(pixels_NHWC.device, dtype):
            network(pixels_NHWC)

    return _faster(answer, f"a batch of {len(pixels_NHWC)}", cuda=pixels_NHWC.is_cuda)


def _faster(run: Callable[[Dtype], None], what: str, *, cuda: bool) -> tuple[Dtype, str]:
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
        seconds[dtype] = min(times[1:])  # the first run allocates and picks kernels
    clearly_faster = seconds["float32"] > _CLEARLY * seconds["bfloat16"]
    chosen: Dtype = "bfloat16" if clearly_faster else "float32"
    milliseconds = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in seconds.items())
    return chosen, f"computing in {chosen} ({what} takes {milliseconds})"

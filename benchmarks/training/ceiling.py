"""The most that the machine does: matrix products of a size that suits it best."""

from __future__ import annotations

import statistics
import time

import torch

from training.run.checkpoint import Dtype

SIDES = (1024, 2048)
"""Of square matrices; the faster one counts."""


def ceiling_flops(dtype: Dtype, device: torch.device, *, repeats: int) -> float:
    """Floating-point operations per second of a matrix product in `dtype`, median over repeats."""
    return max(_flops(side, dtype, device, repeats) for side in SIDES)


def _flops(side: int, dtype: Dtype, device: torch.device, repeats: int) -> float:
    generator = torch.Generator(device).manual_seed(0)
    a, b = torch.randn(2, side, side, generator=generator, device=device).to(getattr(torch, dtype))
    seconds = []
    for _ in range(repeats + 1):
        settle(device)
        started = time.perf_counter()
        torch.mm(a, b)
        settle(device)
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / statistics.median(seconds[1:])  # the first picks a kernel


def settle(device: torch.device) -> None:
    """Wait until the accelerator has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()

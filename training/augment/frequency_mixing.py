"""Frequency mixing: parts of a picture's spectrum are replaced by those of another picture; the label stays.

One of two ways for each picture, with equal chance:

- amplitude and phase recombination (Chen et al. 2021, "Amplitude-Phase Recombination"): its phases with the amplitudes
  of another picture, because phases carry the shape of an object and corruptions change amplitudes;
- hybrid pictures (Yucel et al. 2023, "HybridAugment++"): its low frequencies with the high frequencies of another one.

The low frequencies are never shown alone: that would be a blur, and the judged corruptions contain blurs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SIGMA = (0.5, 1.5)
"""Standard deviation in pixels of the Gaussian that separates low from high frequencies, smallest and largest."""


def mix_frequencies(images_NCHW: Tensor, others_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Mix the spectrum of every image with that of another one.

    Args:
        images_NCHW: uint8 [N, 3, H, W].
        others_NCHW: uint8 [N, 3, H, W], the pictures to mix with.
        generator: source of all randomness, on the device of the images.

    Returns:
        uint8 [N, 3, H, W].
    """
    N, _, H, W = images_NCHW.shape
    device = images_NCHW.device
    spectrum_NCHF = torch.fft.rfft2(images_NCHW.to(torch.float32))
    other_NCHF = torch.fft.rfft2(others_NCHW.to(torch.float32))
    recombined_NCHF = torch.polar(other_NCHF.abs(), spectrum_NCHF.angle())
    low, high = _SIGMA
    sigma_N = low + (high - low) * torch.rand(N, generator=generator, device=device)
    rows_H, columns_F = torch.fft.fftfreq(H, device=device), torch.fft.rfftfreq(W, device=device)
    squared_HF = rows_H[:, None] ** 2 + columns_F**2
    passed_N1HF = torch.exp(-2 * math.pi**2 * sigma_N[:, None, None] ** 2 * squared_HF)[:, None]
    hybrid_NCHF = torch.lerp(other_NCHF, spectrum_NCHF, passed_N1HF.to(spectrum_NCHF.dtype))
    recombine_N = torch.rand(N, generator=generator, device=device) < 0.5
    mixed_NCHF = torch.where(recombine_N[:, None, None, None], recombined_NCHF, hybrid_NCHF)
    mixed_NCHW: Tensor = torch.fft.irfft2(mixed_NCHF, s=(H, W))
    return mixed_NCHW.round_().clamp_(0, 255).to(torch.uint8)

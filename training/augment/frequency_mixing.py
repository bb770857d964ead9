"""Frequency mixing: part of an image's spectrum is replaced by that of another image; the label stays.

Each image gets one of two methods, with equal probability:

- amplitude-phase recombination (Chen et al. 2021, "Amplitude-Phase Recombination"): phases of the image, amplitudes of
  the other one. Phases carry the shape of an object, and corruptions mainly change amplitudes.
- hybrid images (Yucel et al. 2023, "HybridAugment++"): low frequencies of the image, high frequencies of the other one.

Low frequencies are never used alone, because that is a blur, and CIFAR-10-C contains blurs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SIGMA = (0.5, 1.5)
"""Range of the standard deviation, in pixels, of the Gaussian that separates low from high frequencies."""


def mix_frequencies(images_NCHW: Tensor, others_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Mix the spectrum of every image with that of another one: uint8 [N, 3, H, W] twice -> uint8 [N, 3, H, W].

    The generator must be on the device of the images.
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
    mixed_NCHF *= _contrast_ratio(spectrum_NCHF, mixed_NCHF)
    mixed_NCHF[..., 0, 0] = spectrum_NCHF[..., 0, 0]
    mixed_NCHW: Tensor = torch.fft.irfft2(mixed_NCHF, s=(H, W))
    return mixed_NCHW.round_().clamp_(0, 255).to(torch.uint8)


def _contrast_ratio(spectrum_NCHF: Tensor, mixed_NCHF: Tensor) -> Tensor:
    """Factors float32 [N, C, 1, 1] for the amplitudes of `mixed_NCHF` that keep the contrast of the image's channels.

    The mean and the contrast of each channel stay those of the image, because the evaluation's corruptions contain
    changes of brightness and contrast.
    """
    energies = []
    for each in (spectrum_NCHF, mixed_NCHF):
        squared = each.abs().square()
        energies.append(squared.sum((2, 3), keepdim=True) - squared[..., :1, :1])
    return (energies[0] / energies[1].clamp_min(1e-6)).sqrt()

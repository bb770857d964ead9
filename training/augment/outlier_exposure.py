"""Outlier exposure: synthetic images without an object, trained to have a high energy (Hendrycks et al. 2019).

A classifier trained on objects only is overconfident on textures. Adding outliers to every batch, with the energy
margin loss of `training.fit.losses`, corrects this. There are four kinds:

- spectra: noise with power f^-a at spatial frequency f, a in [1/2, 5/2], similar to clouds and sand;
- scrambled: amplitudes of an image of the batch with the phases of noise;
- repeated: a patch of an image, an eighth of its side, tiled over the whole image;
- gradients: a smooth transition between two colors.

No kind contains an object, not even a distorted one, so that the model does not learn to treat noisy images of objects
as outliers. The evaluation (`training.evaluation.ood`) uses different kinds: white noise, sums of waves, single
colors and images with shuffled pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_PATCHES = 8
"""Side of the image divided by the side of a repeated patch."""
_KINDS = 4
_FLATTEST, _STEEPEST = 0.5, 2.5


def outlier_images(images_NHWC: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Generate `count` outliers, a quarter of each kind, uint8 [count, H, W, 3].

    Scrambled and repeated outliers are made from `images_NHWC`, uint8 [N, H, W, 3], at least one image.
    """
    places_M = torch.arange(count, device=images_NHWC.device)
    some_MHWC = images_NHWC[places_M % len(images_NHWC)]
    _, H, W, _ = some_MHWC.shape
    noise_MHWC = torch.randn((count, H, W, 3), generator=generator, device=generator.device)
    steepness_M = torch.rand(count, generator=generator, device=generator.device)
    uniform_5M = torch.rand((5, count), generator=generator, device=generator.device)
    colors_2M3 = torch.rand((2, count, 3), generator=generator, device=generator.device)
    spectra_MHWC = _with_spectrum(noise_MHWC, _FLATTEST + (_STEEPEST - _FLATTEST) * steepness_M)
    kinds = (
        spectra_MHWC,
        _scrambled(some_MHWC, noise_MHWC),
        _repeated(some_MHWC, uniform_5M[:2]),
        _gradients(colors_2M3, uniform_5M[2:], H, W),
    )
    return torch.stack(kinds)[places_M % _KINDS, places_M]


def _with_spectrum(noise_MHWC: Tensor, falloff_M: Tensor) -> Tensor:
    """White noise -> noise of power f^-falloff, uint8, each channel stretched to [0, 255]."""
    _, H, W, _ = noise_MHWC.shape
    device = noise_MHWC.device
    rows_H, columns_W = torch.fft.fftfreq(H, device=device), torch.fft.rfftfreq(W, device=device)
    frequency_HW = (rows_H[:, None] ** 2 + columns_W**2).sqrt()
    frequency_HW[0, 0] = 1 / max(H, W)
    amplitude_MHW1 = (frequency_HW ** (-falloff_M[:, None, None] / 2))[..., None]
    colored_MHWC = torch.fft.irfft2(torch.fft.rfft2(noise_MHWC, dim=(1, 2)) * amplitude_MHW1, s=(H, W), dim=(1, 2))
    low, high = colored_MHWC.amin((1, 2), keepdim=True), colored_MHWC.amax((1, 2), keepdim=True)
    stretched_MHWC: Tensor = 255 * (colored_MHWC - low) / (high - low)
    return stretched_MHWC.round().to(torch.uint8)


def _scrambled(images_MHWC: Tensor, noise_MHWC: Tensor) -> Tensor:
    """Amplitudes of the images with the phases of the noise; the mean color stays."""
    _, H, W, _ = images_MHWC.shape
    spectrum = torch.fft.rfft2(images_MHWC.float(), dim=(1, 2))
    phases = torch.fft.rfft2(noise_MHWC, dim=(1, 2)).angle()
    phases[:, 0, 0] = 0
    scrambled_MHWC: Tensor = torch.fft.irfft2(torch.polar(spectrum.abs(), phases), s=(H, W), dim=(1, 2))
    return scrambled_MHWC.round().clamp(0, 255).to(torch.uint8)


def _repeated(images_MHWC: Tensor, uniform_2M: Tensor) -> Tensor:
    """A patch of each image tiled over the whole image; `uniform_2M` in [0, 1) is its position."""
    M, H, W, _ = images_MHWC.shape
    device = images_MHWC.device
    height, width = max(1, H // _PATCHES), max(1, W // _PATCHES)
    top_M, left_M = (
        (room * uniform_M).long() for room, uniform_M in zip((H - height, W - width), uniform_2M, strict=True)
    )
    rows_MH = top_M[:, None] + torch.arange(H, device=device) % height
    columns_MW = left_M[:, None] + torch.arange(W, device=device) % width
    return images_MHWC[torch.arange(M, device=device)[:, None, None], rows_MH[:, :, None], columns_MW[:, None, :]]


def _gradients(colors_2M3: Tensor, uniform_3M: Tensor, height: int, width: int) -> Tensor:
    """Logistic transition between two colors along a random direction, from an edge to a nearly flat color."""
    device = colors_2M3.device
    angle_M = 2 * math.pi * uniform_3M[0]
    y_H1 = torch.linspace(-1, 1, height, device=device)[:, None]
    x_W = torch.linspace(-1, 1, width, device=device)
    along_MHW = angle_M.sin()[:, None, None] * y_H1 + angle_M.cos()[:, None, None] * x_W
    center_M11 = (2 * uniform_3M[1] - 1)[:, None, None]
    steepness_M11 = (10 * uniform_3M[2])[:, None, None]
    share_MHW1 = torch.sigmoid(steepness_M11 * (along_MHW - center_M11))[..., None]
    first_M113, second_M113 = colors_2M3[:, :, None, None, :]
    return (255 * torch.lerp(first_M113, second_M113, share_MHW1)).round().to(torch.uint8)

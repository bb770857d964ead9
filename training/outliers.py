"""Pictures of nothing, shown in training as belonging to every class alike (Hendrycks et al. 2019, outlier exposure).

A classifier that has only ever seen objects is as sure of a texture as of a cat, because some class always has most
of its colours. A few of these pictures in every batch teach it to be sure of no class where it recognises none:

- spectra: noise whose power falls off with the spatial frequency f as f^-a, a from 1/2 to 5/2, as in clouds and sand;
- scrambled: an image of the batch with the phases of another such noise, its own colours and spectrum;
- tiles: an image of the batch cut into 4 x 4 tiles that have changed places.

The kinds by which versions are judged (`training.strange_images`) are others on purpose: white noise, sums of waves,
single colours and images whose pixels, not tiles, have changed places.
"""

from __future__ import annotations

import torch
from torch import Tensor

_TILES = 4
_FLATTEST, _STEEPEST = 0.5, 2.5


def outliers(images_NHWC: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` such pictures, of each kind a third, uint8 [count, H, W, 3].

    Args:
        images_NHWC: uint8 [N, H, W, 3], images of the batch, at least one; the first ones are taken apart.
        count: how many pictures to draw.
        generator: source of all randomness.
    """
    places_M = torch.arange(count, device=images_NHWC.device)
    some_MHWC = images_NHWC[places_M % len(images_NHWC)]
    _, H, W, _ = some_MHWC.shape
    noise_MHWC = torch.randn((count, H, W, 3), generator=generator, device=generator.device)
    steepness_M = torch.rand(count, generator=generator, device=generator.device)
    order_MT = torch.rand((count, _TILES**2), generator=generator, device=generator.device).argsort(1)
    kind_M = (places_M % 3)[:, None, None, None]
    spectra_MHWC = _with_spectrum(noise_MHWC, _FLATTEST + (_STEEPEST - _FLATTEST) * steepness_M)
    # The rest of an image whose sides are no multiple of the tiles stays where it is.
    tiles_MHWC = some_MHWC.clone()
    height, width = H // _TILES * _TILES, W // _TILES * _TILES
    tiles_MHWC[:, :height, :width] = _in_other_places(some_MHWC[:, :height, :width], order_MT)
    return torch.where(
        kind_M == 0, spectra_MHWC, torch.where(kind_M == 1, _scrambled(some_MHWC, noise_MHWC), tiles_MHWC)
    )


def _with_spectrum(noise_MHWC: Tensor, falloff_M: Tensor) -> Tensor:
    """White noise -> noise of power f^-falloff, each channel stretched to 0..255."""
    _, H, W, _ = noise_MHWC.shape
    device = noise_MHWC.device
    rows_H, columns_W = torch.fft.fftfreq(H, device=device), torch.fft.rfftfreq(W, device=device)
    frequency_HW = (rows_H[:, None] ** 2 + columns_W**2).sqrt()
    frequency_HW[0, 0] = 1 / max(H, W)
    amplitude_MHW1 = (frequency_HW ** (-falloff_M[:, None, None] / 2))[..., None]
    coloured_MHWC = torch.fft.irfft2(torch.fft.rfft2(noise_MHWC, dim=(1, 2)) * amplitude_MHW1, s=(H, W), dim=(1, 2))
    low, high = coloured_MHWC.amin((1, 2), keepdim=True), coloured_MHWC.amax((1, 2), keepdim=True)
    stretched_MHWC: Tensor = 255 * (coloured_MHWC - low) / (high - low)
    return stretched_MHWC.round().to(torch.uint8)


def _scrambled(images_MHWC: Tensor, noise_MHWC: Tensor) -> Tensor:
    """The images' amplitudes with the phases of the noise; the mean colour of each stays."""
    _, H, W, _ = images_MHWC.shape
    spectrum = torch.fft.rfft2(images_MHWC.float(), dim=(1, 2))
    phases = torch.fft.rfft2(noise_MHWC, dim=(1, 2)).angle()
    phases[:, 0, 0] = 0
    scrambled_MHWC: Tensor = torch.fft.irfft2(torch.polar(spectrum.abs(), phases), s=(H, W), dim=(1, 2))
    return scrambled_MHWC.round().clamp(0, 255).to(torch.uint8)


def _in_other_places(images_MHWC: Tensor, order_MT: Tensor) -> Tensor:
    """The tiles of each image in this order; the sides are multiples of the number of tiles."""
    M, H, W, C = images_MHWC.shape
    h, w = H // _TILES, W // _TILES
    tiles_MThwC = images_MHWC.reshape(M, _TILES, h, _TILES, w, C).transpose(2, 3).reshape(M, _TILES**2, h, w, C)
    moved_MThwC = tiles_MThwC[torch.arange(M, device=images_MHWC.device)[:, None], order_MT]
    return moved_MThwC.reshape(M, _TILES, _TILES, h, w, C).transpose(2, 3).reshape(M, H, W, C)

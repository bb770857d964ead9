"""Fourier parameterization of images with decorrelated colors, so that gradient ascent does not end in noise.

Olah, Mordvintsev and Schubert 2017, "Feature visualization". A gradient step in this space changes all spatial scales
equally, and follows the color covariance of the training images.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.data.preprocessing import scale_pixels

_SPREAD = 0.05
"""Standard deviation of the initial spectrum; the image is nearly gray."""
_CONTRAST = 1.2
"""Maximum standard deviation of an image before the sigmoid, close to that of photographs. Without it, values saturate
at black and white."""
_SHIFT = 1e-4
"""Added to the variance of each color component."""


def color_matrix(images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Symmetric square root of the color covariance, scaled to a maximum column norm of 1; float32 [3, 3].

    Multiplied with it, independent values get the correlations of the image colors.
    """
    colors_PC = scale_pixels(images_NHWC).reshape(-1, 3).astype(np.float64)
    variances_C, axes_CC = np.linalg.eigh(np.cov(colors_PC.T) + _SHIFT * np.eye(3))
    root_CC = (axes_CC * np.sqrt(variances_C)) @ axes_CC.T
    return np.asarray(root_CC / np.linalg.norm(root_CC, axis=0).max(), np.float32)


class FourierImages(nn.Module):
    """S images with their spectra as parameters, rendered as pixels float32 [S, H, W, 3] in (0, 1)."""

    scale: Tensor
    colors: Tensor

    def __init__(self, images: int, height: int, width: int, colors_CC: npt.NDArray[np.float32], seed: int) -> None:
        """Start with nearly gray images.

        Args:
            images: number of images S.
            height: height in pixels.
            width: width in pixels.
            colors_CC: color matrix from `color_matrix`.
            seed: seed of the initial noise.
        """
        super().__init__()
        self.size = (height, width)
        down, right = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
        # The spectrum of natural images falls as 1 / frequency; the mean uses the lowest frequency.
        self.register_buffer("scale", 1 / torch.sqrt(down**2 + right**2).clamp(min=1 / max(height, width)))
        self.register_buffer("colors", torch.from_numpy(colors_CC))
        random = torch.Generator().manual_seed(seed)
        shape = (images, 3, height, width // 2 + 1, 2)
        self.spectrum = nn.Parameter(_SPREAD * torch.randn(shape, generator=random))

    def forward(self) -> Tensor:
        """Render the images."""
        waves = torch.view_as_complex(self.spectrum) * self.scale
        planes_SCHW = torch.fft.irfft2(waves, s=self.size, norm="ortho")
        spread_S = planes_SCHW.std(dim=(1, 2, 3), keepdim=True)
        planes_SCHW = planes_SCHW / (spread_S / _CONTRAST).clamp(min=1)
        return torch.sigmoid(torch.einsum("schw,cd->shwd", planes_SCHW, self.colors))

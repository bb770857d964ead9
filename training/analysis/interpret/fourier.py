"""Images by their spectrum and decorrelated colors: where gradient ascent finds pictures instead of noise.

Olah, Mordvintsev and Schubert 2017, "Feature visualization". A step in this space changes all scales alike, and colors
in the directions in which those of the training images vary.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.data.preprocessing import scale_pixels

_SPREAD = 0.05
"""Standard deviation of the first image's spectrum: nearly gray."""
_CONTRAST = 1.2
"""Largest standard deviation of an image's values before the sigmoid, about that of photographs: ascent would otherwise
end at black and white."""
_SHIFT = 1e-4
"""Added to the variance of every color direction."""


def color_matrix(images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The square root of the colours' covariance, symmetric, scaled to a largest column norm of 1; float32 [3, 3].

    Independent values times this have the correlations of the images' colours.
    """
    colors_PC = scale_pixels(images_NHWC).reshape(-1, 3).astype(np.float64)
    variances_C, axes_CC = np.linalg.eigh(np.cov(colors_PC.T) + _SHIFT * np.eye(3))
    root_CC = (axes_CC * np.sqrt(variances_C)) @ axes_CC.T
    return np.asarray(root_CC / np.linalg.norm(root_CC, axis=0).max(), np.float32)


class FourierImages(nn.Module):
    """S images that are given by spectra; calling it renders them as pixels float32 [S, H, W, 3] in (0, 1)."""

    scale: Tensor
    colours: Tensor

    def __init__(self, images: int, height: int, width: int, colors_CC: npt.NDArray[np.float32], seed: int) -> None:
        """The images begin nearly gray, with noise that `seed` draws.

        Args:
            images: S.
            height: in pixels.
            width: in pixels.
            colors_CC: from `color_matrix`.
            seed: of the first images.
        """
        super().__init__()
        self.size = (height, width)
        down, right = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
        # An orthonormal transform's spectrum falls as 1 / frequency in natural images; the mean counts as the lowest.
        self.register_buffer("scale", 1 / torch.sqrt(down**2 + right**2).clamp(min=1 / max(height, width)))
        self.register_buffer("colours", torch.from_numpy(colors_CC))
        random = torch.Generator().manual_seed(seed)
        shape = (images, 3, height, width // 2 + 1, 2)
        self.spectrum = nn.Parameter(_SPREAD * torch.randn(shape, generator=random))

    def forward(self) -> Tensor:
        """The images."""
        waves = torch.view_as_complex(self.spectrum) * self.scale
        planes_SCHW = torch.fft.irfft2(waves, s=self.size, norm="ortho")
        spread_S = planes_SCHW.std(dim=(1, 2, 3), keepdim=True)
        planes_SCHW = planes_SCHW / (spread_S / _CONTRAST).clamp(min=1)
        return torch.sigmoid(torch.einsum("schw,cd->shwd", planes_SCHW, self.colours))

"""AugMix without the consistency loss (Hendrycks et al. 2020, "AugMix: A Simple Data Processing Method...").

Three chains of one to three random operations are applied to an image and mixed with random weights. The mixture is
then mixed with the original image. Operations and strengths are those of the paper's CIFAR-10 experiments (severity 3).
As in the paper, contrast, color, brightness and sharpness are left out, because CIFAR-10-C contains them.

Every color operation is a lookup table of 256 entries per image and channel, and every geometric operation an affine
map. A chain composes its tables into one table and its maps into one map, so it costs one gather and one interpolation.
Within a chain, color operations are applied before geometric ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_CHAINS = 3
_MAX_DEPTH = 3
_SEVERITY = 3.0
"""Maximum level of an operation, on a scale of 10. Levels are uniform in [0.1, 3]."""
_IDENTITY, _AUTOCONTRAST, _EQUALIZE, _POSTERIZE, _SOLARIZE = range(5)
_ROTATE, _SHEAR_X, _SHEAR_Y, _TRANSLATE_X, _TRANSLATE_Y = range(5, 10)
_OPERATIONS = 10


def augmix(images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Apply AugMix to every image of a batch: uint8 [N, 3, H, W] -> uint8 [N, 3, H, W].

    The generator must be on the device of the images.
    """
    N = len(images_NCHW)
    device = images_NCHW.device
    values_NCHW = images_NCHW.to(torch.float32)
    # Exponential variables divided by their sum follow Dirichlet(1, 1, 1).
    weight_KN = torch.empty(_CHAINS, N, device=device).exponential_(generator=generator)
    weight_KN /= weight_KN.sum(0)
    mixture_NCHW = torch.zeros_like(values_NCHW)
    for chain in range(_CHAINS):
        mixture_NCHW += weight_KN[chain, :, None, None, None] * _chain(images_NCHW, generator)
    kept_N111 = torch.rand(N, 1, 1, 1, generator=generator, device=device)  # Beta(1, 1)
    return torch.lerp(mixture_NCHW, values_NCHW, kept_N111).round_().clamp_(0, 255).to(torch.uint8)


def _chain(images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Apply one chain of random operations; returns float32 [N, 3, H, W] in [0, 255]."""
    N, _, H, W = images_NCHW.shape
    device = images_NCHW.device
    index_NCP = images_NCHW.reshape(N, 3, H * W).long()
    counts_NCV = torch.zeros(N, 3, 256, device=device).scatter_add_(
        2, index_NCP, torch.ones(1, device=device).expand_as(index_NCP)
    )
    table_NCV = torch.arange(256.0, device=device).expand(N, 3, 256)
    map_N33 = torch.eye(3, device=device).expand(N, 3, 3)
    depth_N = torch.randint(1, _MAX_DEPTH + 1, (N,), generator=generator, device=device)
    for step in range(_MAX_DEPTH):
        operation_N = torch.randint(1, _OPERATIONS, (N,), generator=generator, device=device)
        operation_N = torch.where(step < depth_N, operation_N, _IDENTITY)
        level_N = 0.1 + (_SEVERITY - 0.1) * torch.rand(N, generator=generator, device=device)
        sign_N = torch.where(torch.rand(N, generator=generator, device=device) < 0.5, -1.0, 1.0)
        next_NCV = _color_table(operation_N, level_N, counts_NCV)
        table_NCV = next_NCV.gather(2, table_NCV.long())
        counts_NCV = torch.zeros_like(counts_NCV).scatter_add_(2, next_NCV.long(), counts_NCV)
        # Maps go from new to old places, so the map of a later operation is applied first.
        map_N33 = map_N33 @ _affine_map(operation_N, level_N * sign_N, H, W)
    recolored_NCHW = table_NCV.gather(2, index_NCP).view(N, 3, H, W)
    grid_NHW2 = functional.affine_grid(map_N33[:, :2], [N, 3, H, W], align_corners=False)
    return functional.grid_sample(recolored_NCHW, grid_NHW2, padding_mode="reflection", align_corners=False)


def _color_table(operation_N: Tensor, level_N: Tensor, counts_NCV: Tensor) -> Tensor:
    """Lookup table of an operation, float32 [N, 3, 256]; the identity for geometric operations.

    `counts_NCV`, float32 [N, 3, 256], are the histograms of the channels.
    """
    values_V = torch.arange(256.0, device=counts_NCV.device)
    present_NCV = counts_NCV > 0
    low_NC1 = torch.where(present_NCV, values_V, 255.0).amin(2, keepdim=True)
    high_NC1 = torch.where(present_NCV, values_V, 0.0).amax(2, keepdim=True)
    stretched_NCV = (values_V - low_NC1) * 255 / (high_NC1 - low_NC1).clamp_min(1)
    stretched_NCV = torch.where(high_NC1 > low_NC1, stretched_NCV, values_V)
    # As in Pillow, the pixels of the brightest value do not count for the step.
    step_NC1 = ((counts_NCV.sum(2) - counts_NCV.gather(2, high_NC1.long())[..., 0]) / 255).floor()[..., None]
    before_NCV = counts_NCV.cumsum(2) - counts_NCV
    equalized_NCV = (before_NCV + (step_NC1 / 2).floor()) / step_NC1.clamp_min(1)
    equalized_NCV = torch.where(step_NC1 > 0, equalized_NCV, values_V)
    bits_N11 = (4 - (level_N * 4 / 10).floor())[:, None, None]
    cell_N11 = 2 ** (8 - bits_N11)
    posterized_N1V = (values_V / cell_N11).floor() * cell_N11
    threshold_N11 = (256 - (level_N * 256 / 10).floor())[:, None, None]
    solarized_N1V = torch.where(values_V < threshold_N11, values_V, 255 - values_V)
    table_NCV = values_V.expand_as(counts_NCV)
    for operation, new_NCV in (
        (_AUTOCONTRAST, stretched_NCV),
        (_EQUALIZE, equalized_NCV),
        (_POSTERIZE, posterized_N1V),
        (_SOLARIZE, solarized_N1V),
    ):
        table_NCV = torch.where((operation_N == operation)[:, None, None], new_NCV, table_NCV)
    return table_NCV.floor().clamp(0, 255)


def _affine_map(operation_N: Tensor, level_N: Tensor, height: int, width: int) -> Tensor:
    """Affine map of an operation, float32 [N, 3, 3], from output to input in the coordinates of `affine_grid`."""

    def only(operation: int, amount_N: Tensor) -> Tensor:
        return torch.where(operation_N == operation, amount_N, 0.0)

    angle_N = only(_ROTATE, level_N * math.radians(30) / 10)
    map_N33 = torch.zeros(len(operation_N), 3, 3, device=operation_N.device)
    map_N33[:, 0, 0] = map_N33[:, 1, 1] = angle_N.cos()
    map_N33[:, 0, 1] = (only(_SHEAR_X, level_N * 0.3 / 10) - angle_N.sin()) * height / width
    map_N33[:, 1, 0] = (only(_SHEAR_Y, level_N * 0.3 / 10) + angle_N.sin()) * width / height
    # A third of the image at level 10; the coordinates span two units.
    map_N33[:, 0, 2] = only(_TRANSLATE_X, level_N / 10 / 3 * 2)
    map_N33[:, 1, 2] = only(_TRANSLATE_Y, level_N / 10 / 3 * 2)
    map_N33[:, 2, 2] = 1
    return map_N33

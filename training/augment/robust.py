"""Robust augmentation: AugMix, frequency mixing or texture mixing of a share of a batch.

None of the methods applies a corruption of the evaluation (CIFAR-10-C's noise, blur, JPEG, pixelation, brightness,
contrast, saturation). Two operations resemble one:

- AugMix rotates, shears and shifts images by a few pixels, similar to elastic_transform and to the conditions "shift"
  and "rotation".
- AugMix's autocontrast, equalization and solarization, and the mean of an image and a texture, change brightness and
  contrast as a side effect.
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor

from core.recipes import Augmentation
from training.augment.augmix import augmix
from training.augment.frequency_mixing import mix_frequencies
from training.augment.packed_pixels import pack, unpack
from training.augment.texture_mixing import mix_textures


def apply_robust_augmentation(
    images_NHW: Tensor, labels_N: Tensor, config: Augmentation, generator: torch.Generator
) -> Tensor:
    """Apply at most one of the configured methods to each image.

    Each method gets its share of the batch, in whole images. The numbers of images are known in advance, so that a
    CUDA device is not synchronized.

    Args:
        images_NHW: int32 [N, H, W], packed.
        labels_N: int64 [N], classes; texture mixing uses images of the same class.
        config: `augmix`, `frequency_mixing` and `texture_mixing` are the shares of the methods.
        generator: random generator on the device of the images.

    Returns:
        int32 [N, H, W], packed.
    """
    N = len(images_NHW)
    shares = (config.augmix, config.frequency_mixing, config.texture_mixing)
    ends = [round(N * share) for share in accumulate(shares)]
    if ends[-1] == 0:
        return images_NHW
    device = images_NHW.device
    order_N = torch.randperm(N, generator=generator, device=device)
    mixed_M, recombined_M, textured_M, _ = order_N.tensor_split(ends)
    images_NCHW = unpack(images_NHW).permute(0, 3, 1, 2).contiguous()
    augmented_NHW = images_NHW.clone()

    def replace(chosen_M: Tensor, augmented_MCHW: Tensor) -> None:
        augmented_NHW[chosen_M] = pack(augmented_MCHW.permute(0, 2, 3, 1).contiguous())

    if len(mixed_M):
        replace(mixed_M, augmix(images_NCHW[mixed_M], generator))
    if len(recombined_M):
        partner_M = torch.randint(N, recombined_M.shape, generator=generator, device=device)
        replace(recombined_M, mix_frequencies(images_NCHW[recombined_M], images_NCHW[partner_M], generator))
    if len(textured_M):
        partner_M = _partners_of_class(labels_N, generator)[textured_M]
        replace(textured_M, mix_textures(images_NCHW[textured_M], images_NCHW[partner_M], generator))
    return augmented_NHW


def _partners_of_class(labels_N: Tensor, generator: torch.Generator) -> Tensor:
    """A random other image of the same class for each image, int64 [N]; the image itself if it is the only one."""
    N = len(labels_N)
    device = labels_N.device
    order_N = torch.randperm(N, generator=generator, device=device)
    order_N = order_N[labels_N[order_N].argsort(stable=True)]
    sorted_N = labels_N[order_N]
    # The next image of the same class in this order; the first one for the last of a class.
    first_N = torch.searchsorted(sorted_N, sorted_N)
    places_N = torch.arange(N, device=device)
    ends_N = torch.ones(N, dtype=torch.bool, device=device)
    ends_N[:-1] = sorted_N[1:] != sorted_N[:-1]
    next_N = torch.where(ends_N, first_N, (places_N + 1).clamp_max(N - 1))
    partner_N = torch.empty_like(order_N)
    partner_N[order_N] = order_N[next_N]
    return partner_N

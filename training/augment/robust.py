"""Robust augmentation: AugMix, frequency mixing or texture mixing of a share of a batch's pictures.

None of them contains what the fourteen judged corruptions contain (noise, blur, JPEG, pixelation, brightness, contrast,
saturation), with one overlap: AugMix turns, shears and shifts pictures by a few pixels, as elastic_transform does in
part and as the conditions "shift" and "rotation" do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.recipes import Augmentation
from training.augment.augmix import augmix
from training.augment.frequency_mixing import mix_frequencies
from training.augment.packed_pixels import pack, unpack
from training.augment.texture_mixing import mix_textures


def augment_robustly(images_NHW: Tensor, labels_N: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    """Change each picture in one of the configured ways or not at all.

    Args:
        images_NHW: int32 [N, H, W], packed.
        labels_N: int64 [N], class of each picture; textures come from pictures of the same class.
        config: `augmix`, `frequency_mixing` and `texture_mixing` are the probabilities of each way.
        generator: source of all randomness, on the device of the images.

    Returns:
        int32 [N, H, W], packed.
    """
    until_augmix = config.augmix
    until_frequency = until_augmix + config.frequency_mixing
    until_texture = until_frequency + config.texture_mixing
    if until_texture == 0:
        return images_NHW
    device = images_NHW.device
    drawn_N = torch.rand(len(images_NHW), generator=generator, device=device)
    pictures_NCHW = unpack(images_NHW).permute(0, 3, 1, 2).contiguous()
    changed_NHW = images_NHW.clone()

    def change(chosen_N: Tensor, changed_MCHW: Tensor) -> None:
        changed_NHW[chosen_N] = pack(changed_MCHW.permute(0, 2, 3, 1).contiguous())

    chosen_N = (drawn_N < until_augmix).nonzero()[:, 0]
    if len(chosen_N):
        change(chosen_N, augmix(pictures_NCHW[chosen_N], generator))
    chosen_N = ((drawn_N >= until_augmix) & (drawn_N < until_frequency)).nonzero()[:, 0]
    if len(chosen_N):
        partner_N = torch.randint(len(images_NHW), chosen_N.shape, generator=generator, device=device)
        change(chosen_N, mix_frequencies(pictures_NCHW[chosen_N], pictures_NCHW[partner_N], generator))
    chosen_N = ((drawn_N >= until_frequency) & (drawn_N < until_texture)).nonzero()[:, 0]
    if len(chosen_N):
        partner_N = _partners_of_class(labels_N, generator)[chosen_N]
        change(chosen_N, mix_textures(pictures_NCHW[chosen_N], pictures_NCHW[partner_N], generator))
    return changed_NHW


def _partners_of_class(labels_N: Tensor, generator: torch.Generator) -> Tensor:
    """For each picture a random other one of its class, int64 [N]; itself if it is the only one."""
    N = len(labels_N)
    device = labels_N.device
    order_N = torch.randperm(N, generator=generator, device=device)
    order_N = order_N[labels_N[order_N].argsort(stable=True)]
    sorted_N = labels_N[order_N]
    # The next of the same class in this order; the last of a class takes the first.
    first_N = torch.searchsorted(sorted_N, sorted_N)
    places_N = torch.arange(N, device=device)
    ends_N = torch.ones(N, dtype=torch.bool, device=device)
    ends_N[:-1] = sorted_N[1:] != sorted_N[:-1]
    next_N = torch.where(ends_N, first_N, (places_N + 1).clamp_max(N - 1))
    partner_N = torch.empty_like(order_N)
    partner_N[order_N] = order_N[next_N]
    return partner_N

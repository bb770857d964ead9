"""Memory estimate of a training, a lower bound from the network and the batch, before anything is allocated."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.memory import require_memory
from core.recipes import RecipeConfig
from training.fit.dtype import pick_device
from training.networks import build_classifier, count_parameters

_WEIGHT_BYTES = 4
_ACTIVATION_BYTES = 2
"""Bytes of an activation in bfloat16; float32 takes twice as much."""


def memory_needed(config: RecipeConfig, *, height: int, width: int, classes: int) -> int:
    """Minimum memory of a training on the CPU in bytes, without its images.

    Weights, gradients, each optimizer moment and the weight average all have the size of the weights. The outputs of
    the dense and convolutional layers are kept for the backward pass, for every image of the batch.

    The network is built on torch's meta device, which allocates nothing.

    Raises:
        ConfigurationError: the network does not fit the size of the images.
    """
    with torch.device("meta"):
        classifier = build_classifier(
            config.network, height=height, width=width, classes=classes, mean=[0.5] * 3, std=[0.5] * 3
        )
        activations = _activations(classifier, height=height, width=width)
    moments = {"sgd": int(config.optimization.momentum > 0), "muon": 1}.get(config.optimization.optimizer, 2)
    copies = 2 + moments + int(config.optimization.averaging > 0)
    return count_parameters(classifier) * copies * _WEIGHT_BYTES + activations * config.batch_size * _ACTIVATION_BYTES


def require_memory_for(config: RecipeConfig, *, height: int, width: int, classes: int) -> None:
    """Check that a training on the CPU does not need more memory than is available; no check with an accelerator.

    Raises:
        LowMemoryError: the training needs more memory than is available.
        ConfigurationError: as `memory_needed`.
    """
    if pick_device().type != "cpu":
        return
    require_memory(
        memory_needed(config, height=height, width=width, classes=classes),
        what="a training of this network",
        advice="choose a smaller network, a smaller batch_size or, for an image folder, a smaller image_size",
    )


def _activations(network: nn.Module, *, height: int, width: int) -> int:
    """Number of outputs of the dense and convolutional layers for one image; `network` is on the meta device."""
    found = 0

    def count(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal found
        found += output.numel()

    hooks = [
        module.register_forward_hook(count) for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(1, height, width, 3))
    for hook in hooks:
        hook.remove()
    return found

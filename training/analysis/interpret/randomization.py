"""Cascading parameter randomization (Adebayo et al. 2018, "Sanity checks for saliency maps").

A map that does not change with the weights cannot explain the network.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata
from torch import nn

from training.analysis.interpret.methods import modules_in_order
from training.networks import Classifier

Doubles = npt.NDArray[np.float64]


def cascade(classifier: Classifier, *, height: int, width: int, seed: int) -> Iterator[tuple[str, Classifier]]:
    """Yield networks with reinitialized weights in the last layer, the last two, and so on, with the layer's name.

    A normalization is reinitialized together with the layer before it.

    Args:
        classifier: trained network; not modified.
        height: image height.
        width: image width.
        seed: seed of the new weights.
    """
    fresh = copy.deepcopy(classifier).eval()
    names = layers_in_order(fresh, height=height, width=width)
    modules = dict(fresh.named_modules())
    random = torch.Generator().manual_seed(seed)
    for name in reversed(names):
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(random.get_state())
            modules[name].reset_parameters()
            random.set_state(torch.get_rng_state())
        if isinstance(modules[name], nn.Conv2d | nn.Linear):
            yield name, fresh


def layers_in_order(classifier: Classifier, *, height: int, width: int) -> list[str]:
    """Names of the modules that own parameters, in the order of a forward pass."""
    ran = modules_in_order(classifier, torch.zeros(1, height, width, 3), _owns_parameters)
    return list(dict.fromkeys(name for name, _, _ in ran))


def _owns_parameters(module: nn.Module) -> bool:
    return hasattr(module, "reset_parameters") and next(module.parameters(recurse=False), None) is not None


def rank_correlations(first_NHW: Doubles, second_NHW: Doubles) -> Doubles:
    """Spearman correlation of the absolute values of each pair of maps, float64 [N]; 0 if one of them is flat."""
    ranks = [rankdata(np.abs(maps_NHW).reshape(len(maps_NHW), -1), axis=1) for maps_NHW in (first_NHW, second_NHW)]
    centered = [ranks_NP - ranks_NP.mean(axis=1, keepdims=True) for ranks_NP in ranks]
    lengths_N = np.prod([np.linalg.norm(ranks_NP, axis=1) for ranks_NP in centered], axis=0)
    products_N = (centered[0] * centered[1]).sum(axis=1)
    return np.asarray(products_N / np.where(lengths_N > 0, lengths_N, 1))

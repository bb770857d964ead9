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
    return np.asarray((_unit_ranks(first_NHW) * _unit_ranks(second_NHW)).sum(axis=1))


def correlations_with_others(maps_NHW: Doubles) -> Doubles:
    """Mean Spearman correlation of each map's absolute values with those of all other maps, float64 [N].

    This is the control of the cascade: maps of different images are similar if they mark similar positions. It is 0 for
    a single map.
    """
    ranks_NP = _unit_ranks(maps_NHW)
    correlation_NN = ranks_NP @ ranks_NP.T
    return np.asarray((correlation_NN.sum(axis=1) - np.diag(correlation_NN)) / max(1, len(maps_NHW) - 1))


def _unit_ranks(maps_NHW: Doubles) -> Doubles:
    """Centered ranks of the absolute values, divided by their Euclidean norm, float64 [N, H * W]; 0 for a flat map."""
    ranks_NP = rankdata(np.abs(maps_NHW).reshape(len(maps_NHW), -1), axis=1)
    centered_NP = ranks_NP - ranks_NP.mean(axis=1, keepdims=True)
    lengths_N1 = np.linalg.norm(centered_NP, axis=1, keepdims=True)
    return np.asarray(centered_NP / np.where(lengths_N1 > 0, lengths_N1, 1))

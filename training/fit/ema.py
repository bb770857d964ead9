"""A running mean of a network's weights, which is steadier than those of any one step (Polyak & Juditsky 1992)."""

from __future__ import annotations

import copy

import torch

from training.networks import Classifier


class WeightEMA:
    """Exponential moving average of every weight and buffer, over about `horizon` steps.

    While fewer than ten times that many steps are done, it is over a tenth of them.
    """

    def __init__(self, classifier: Classifier, horizon: float) -> None:
        self.classifier = copy.deepcopy(classifier).requires_grad_(False)
        self._horizon = horizon

    @torch.no_grad()
    def update(self, classifier: Classifier, steps: int) -> None:
        """Take in the weights after `steps` steps."""
        share = 1.0 / max(1.0, min(self._horizon, 1.0 + steps / 10))
        current = classifier.state_dict()
        for name, tensor in self.classifier.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(current[name], share)
            else:
                tensor.copy_(current[name])

"""Exponential moving average (EMA) of a network's weights (Polyak & Juditsky 1992)."""

from __future__ import annotations

import copy

import torch

from training.networks import Classifier


class WeightEMA:
    """Exponential moving average of all weights and buffers over about `horizon` steps.

    In the first 10 * `horizon` steps the average spans a tenth of the steps so far.
    """

    def __init__(self, classifier: Classifier, horizon: float) -> None:
        self.classifier = copy.deepcopy(classifier).requires_grad_(False)
        self._horizon = horizon

    @torch.no_grad()
    def update(self, classifier: Classifier, steps: int) -> None:
        """Update the average with the weights after `steps` steps."""
        share = 1.0 / max(1.0, min(self._horizon, 1.0 + steps / 10))
        current = classifier.state_dict()
        for name, tensor in self.classifier.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(current[name], share)
            else:
                tensor.copy_(current[name])

"""Pruner of the search: a median stopping rule for the trials that Optuna proposes."""

from __future__ import annotations

import math
from statistics import median

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from training.tuning.space import Space
from training.tuning.trials import accuracies_of, finished

_MIN_EPOCH_SHARE = 1 / 2
_MIN_EPOCHS = 3
"""Warm-up: no trial is pruned before this share of its epochs and this epoch, as early accuracy predicts little."""
_MIN_PROPOSALS = 4
"""Number of complete proposals before the first pruning, because the median of fewer is unreliable. These trials also
provide the data of the importances."""


class ProposalPruner(BasePruner):
    """Median stopping rule among proposals (Golovin et al. 2017, "Google Vizier").

    Planned trials are not compared: the recipe and its neighbors are better than nearly all of the space, so no
    proposal would complete. The decision depends only on earlier trials and on the epochs of this one, so it is the
    same after an interruption.

    Args:
        space: identifies planned trials.
        epochs: epochs of every trial.
    """

    def __init__(self, space: Space, epochs: int) -> None:
        self._space = space
        self._epochs = epochs

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether to prune a proposal after its current epoch.

        A proposal is pruned if its accuracy is below the median of all proposals that reached this epoch, but never
        after its last epoch.
        """
        epoch = trial.last_step
        if epoch is None or not first_prunable(self._epochs) <= epoch < self._epochs:
            return False
        others = [
            accuracies_of(other)[epoch]
            for other in finished(study)
            if epoch in accuracies_of(other) and not self._space.is_planned(other.params)
        ]
        return len(others) >= _MIN_PROPOSALS and trial.intermediate_values[epoch] < median(others)


def first_prunable(epochs: int) -> int:
    """Return the first epoch after which a run of `epochs` epochs can be pruned."""
    return max(_MIN_EPOCHS, math.ceil(_MIN_EPOCH_SHARE * epochs))

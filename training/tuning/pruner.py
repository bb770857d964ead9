"""Which proposals are ended early: those that do worse than half of the proposals before them."""

from __future__ import annotations

import math
from statistics import median

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from training.tuning.space import Space
from training.tuning.trials import accuracies_of, finished

_JUDGED_FROM = 1 / 2
_MIN_JUDGED = 3
"""Share of a run's epochs, and epochs at least, before which none is ended early: what learns fast at first is not what
ends best."""
_COMPARED_WITH = 4
"""Proposals before the first that is judged: the median of fewer is mostly luck. So these run to their end, however bad
they are, and there is something that importances can be drawn from."""


class ProposalPruner(BasePruner):
    """A median rule (Golovin et al. 2017, "Google Vizier") among proposals alone.

    Planned trials are the recipe and its neighbors, and so better than nearly all of the space: judged against them,
    no proposal would run to its end. What is decided follows from the trials before and the epochs of this one, and so
    is the same after a kill.

    Args:
        space: tells planned trials from proposals.
        epochs: of every trial.
    """

    def __init__(self, space: Space, epochs: int) -> None:
        self._space = space
        self._epochs = epochs

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether a proposal is to end after the epoch that it has reached.

        It is where its accuracy lies below the median of all proposals that got as far, those that ended there
        included; never after the last epoch, be it that a killed process had reached it.
        """
        epoch = trial.last_step
        if epoch is None or not first_judged(self._epochs) <= epoch < self._epochs:
            return False
        others = [
            accuracies_of(other)[epoch]
            for other in finished(study)
            if epoch in accuracies_of(other) and not self._space.is_planned(other.params)
        ]
        return len(others) >= _COMPARED_WITH and trial.intermediate_values[epoch] < median(others)


def first_judged(epochs: int) -> int:
    """The first epoch after which a run of so many can be ended early; a run whose last it is never is."""
    return max(_MIN_JUDGED, math.ceil(_JUDGED_FROM * epochs))

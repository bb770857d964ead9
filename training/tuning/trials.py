"""What a journal holds of its trials: what is noted of each, which of them count, and which is the recipe as it is."""

from __future__ import annotations

from collections.abc import Mapping

import optuna
from optuna.trial import FrozenTrial, TrialState

DTYPE, THREADS, SECONDS, DIVERGED = "dtype", "threads", "seconds", "diverged"
"""What is noted of a trial."""

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that ran to their end or were ended early, in the order of their numbers."""
    return study.get_trials(deepcopy=False, states=_FINISHED)


def baseline_trial(study: optuna.Study) -> FrozenTrial:
    """The trial that is the recipe as it is: of the finished ones, of which there is one at least, the first.

    Its number is 0, unless a kill while its point was drawn made the search give that trial up.
    """
    return finished(study)[0]


def accuracies_of(trial: FrozenTrial) -> Mapping[int, float]:
    """Accuracy after each epoch; empty where the trial diverged: what came before that is no result."""
    return {} if DIVERGED in trial.user_attrs else trial.intermediate_values

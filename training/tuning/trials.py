"""Trials of a journal: their attributes, the finished ones, and the trial of the unchanged recipe."""

from __future__ import annotations

from collections.abc import Mapping

import optuna
from optuna.trial import FrozenTrial, TrialState

DTYPE, THREADS, SECONDS, DIVERGED = "dtype", "threads", "seconds", "diverged"
"""Names of the user attributes of a trial."""

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the complete and pruned trials, ordered by number."""
    return study.get_trials(deepcopy=False, states=_FINISHED)


def baseline_trial(study: optuna.Study) -> FrozenTrial:
    """Return the trial of the unchanged recipe, which is the first finished one; there must be one.

    Its number is 0, unless the process was killed while it set up that trial.
    """
    return finished(study)[0]


def accuracies_of(trial: FrozenTrial) -> Mapping[int, float]:
    """Return the accuracy after each epoch; empty if the trial diverged."""
    return {} if DIVERGED in trial.user_attrs else trial.intermediate_values

"""Search loop of a tuning: planned trials first, then the proposals of Optuna's TPE sampler.

Each proposal depends only on the seed, the number of earlier trials and their results. A search that was killed and
resumed therefore makes the same proposals as an uninterrupted one.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from core.errors import TrainingDivergedError
from training.run.checkpoint import EpochRecord
from training.tuning.ablation.progress import StudyProgress
from training.tuning.ablation.study_setup import StudySetup, final_accuracy, short_run
from training.tuning.journal import DIVERGED, DTYPE, SECONDS, THREADS, Journal, accuracies_of, finished
from training.tuning.space import Point, Space, shown, space_for

_MIN_EPOCH_SHARE = 1 / 2
_MIN_EPOCHS = 3
"""Warm-up: no trial is pruned before this share of its epochs and this epoch, as early accuracy predicts little."""
_MIN_PROPOSALS = 4
"""Number of complete proposals before the first pruning, because the median of fewer is unreliable. These trials also
provide the data of the importances."""


def space_of(journal: Journal) -> Space:
    """Return the search space around the journal's recipe, with the dtype of the first finished trial.

    Raises:
        ConfigurationError: the recipe is outside its family's space.
    """
    config = journal.description.config
    # Only of finished trials: a resumed trial needs the settings that it started with.
    chosen = [trial.user_attrs[DTYPE] for trial in finished(journal.study) if DTYPE in trial.user_attrs]
    if chosen:
        config = config.with_overrides({"precision": chosen[0]})
    return space_for(config)


def single_changes(study: optuna.Study, space: Space) -> Iterator[tuple[str, Any, Mapping[int, float]]]:
    """Yield setting, value and accuracies by epoch of each finished trial with one changed choice of `singles`."""
    for trial in finished(study):
        changes = space.changes(trial.params)
        if len(changes) == 1 and changes.keys() <= set(space.singles):
            ((setting, value),) = changes.items()
            yield setting, value, accuracies_of(trial)


def search(journal: Journal, setup: StudySetup, *, trials: int, progress: StudyProgress) -> None:
    """Run trials until the journal has `trials` finished ones, including earlier ones.

    Raises:
        ConfigurationError: the recipe is outside its family's space.
        CheckpointError: a checkpoint cannot be read or written.
    """
    study = journal.study
    _remove_stale_checkpoints(journal)
    progress.line(_plan(study, space_of(journal), trials))
    while len(done := finished(study)) < trials:
        progress.runs("tuning", done=len(done), total=trials, figures=_best(study))
        space = space_of(journal)
        study.pruner = ProposalPruner(space, journal.description.config.epochs)
        study.sampler = TPESampler(
            seed=_seed(journal.description.seed, len(done)),
            n_startup_trials=len(space.planned()),
            multivariate=True,
        )
        trial = _interrupted(journal, space) or _next(study, space)
        _run(trial, journal, space, setup, progress)
    progress.runs("tuning", done=len(finished(study)), total=trials, figures=_best(study))


def _plan(study: optuna.Study, space: Space, trials: int) -> str:
    """Return a message with the numbers of planned trials and proposals."""
    done, untried, planned = finished(study), len(_untried(study, space)), len(space.planned())
    proposed = sum(not space.is_planned(trial.params) for trial in done) + max(0, trials - len(done) - untried)
    plan = f"{planned} planned trials: the unchanged recipe, then single changes"
    if proposed:
        return f"{plan}; proposals: {proposed}"
    return f"{plan}; no proposals: give --trials {planned + 1} or more"


def _remove_stale_checkpoints(journal: Journal) -> None:
    """Remove checkpoints of finished trials, left by a process that was killed before the removal."""
    for trial in journal.study.get_trials(deepcopy=False):
        if trial.state.is_finished():
            shutil.rmtree(_folder(journal, trial.number), ignore_errors=True)


def _folder(journal: Journal, number: int) -> Path:
    return journal.folder / f"trial-{number}"


def _interrupted(journal: Journal, space: Space) -> Trial | None:
    """Return the trial to resume after a kill, if any; a trial without a complete point is marked as failed."""
    study, found = journal.study, None
    for frozen in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if frozen.params.keys() == space.dimensions.keys():
            storage = study._storage
            study_id = storage.get_study_id_from_name(study.study_name)
            found = Trial(study, storage.get_trial_id_from_study_id_trial_number(study_id, frozen.number))
        else:
            study.tell(frozen.number, state=TrialState.FAIL)
    return found


def _next(study: optuna.Study, space: Space) -> Trial:
    untried = _untried(study, space)
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if untried and not waiting:
        study.enqueue_trial(untried[0])
    return study.ask(dict(space.dimensions))


def _untried(study: optuna.Study, space: Space) -> list[Point]:
    """Return the planned points without a finished trial."""
    tried = [space.changes(trial.params) for trial in finished(study)]
    return [point for point in space.planned() if space.changes(point) not in tried]


def _run(trial: Trial, journal: Journal, space: Space, setup: StudySetup, progress: StudyProgress) -> None:
    study, point = journal.study, dict(trial.params)
    config = space.config(point)
    folder = _folder(journal, trial.number)
    # Planned trials are never pruned, so that they can be compared.
    planned = space.is_planned(point)
    known = set(study.get_trials(deepcopy=False)[trial.number].intermediate_values)
    started = time.perf_counter()

    def on_epoch(record: EpochRecord) -> None:
        if record.epoch not in known:
            known.add(record.epoch)
            trial.report(record.validation_accuracy or 0.0, record.epoch)
        if not planned and trial.should_prune():
            raise optuna.TrialPruned

    try:
        result = short_run(
            config, setup, folder, validation=setup.images.part("validation"), reporter=progress, on_epoch=on_epoch
        )
    except optuna.TrialPruned:
        finished_trial = study.tell(trial, state=TrialState.PRUNED)
    except TrainingDivergedError as error:
        trial.set_user_attr(DIVERGED, str(error))
        finished_trial = study.tell(trial, state=TrialState.PRUNED)
    else:
        for name, value in ((DTYPE, result.dtype), (THREADS, result.threads), (SECONDS, round(result.seconds, 1))):
            trial.set_user_attr(name, value)
        finished_trial = study.tell(trial, final_accuracy(result))
    progress.line(_line(finished_trial, space.changes(point), time.perf_counter() - started))
    shutil.rmtree(folder)


def _line(trial: FrozenTrial, changes: Point, seconds: float) -> str:
    changed = ", ".join(f"{name} {shown(value)}" for name, value in changes.items()) or "unchanged recipe"
    if DIVERGED in trial.user_attrs:
        reached, ended = "diverged", f" after {len(trial.intermediate_values)} complete epochs"
    else:
        early = f" after {len(trial.intermediate_values)} epochs, pruned"
        reached, ended = f"{trial.value:.2%}", "" if trial.state == TrialState.COMPLETE else early
    return f"trial {trial.number}: {reached}{ended}  {changed}  {seconds:.0f} s"


def _best(study: optuna.Study) -> str:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return f"best {study.best_value:.2%} (trial {study.best_trial.number})" if complete else ""


def _seed(seed: int, index: int) -> int:
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


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

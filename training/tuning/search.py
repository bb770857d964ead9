"""The search: the recipe, each named choice alone, then what Optuna's sampler proposes.

Every proposal follows from the seed, the number of trials before it and their results. So a search that was killed
and goes on makes the same proposals as one that was not.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from core.errors import TrainingDivergedError
from training.run.checkpoint import EpochRecord
from training.tuning.ablation.progress import StudyProgress
from training.tuning.ablation.study_setup import StudySetup, final_accuracy, short_run
from training.tuning.families import space_for
from training.tuning.journal import Journal
from training.tuning.pruner import ProposalPruner
from training.tuning.space import Point, Space, shown
from training.tuning.trials import DIVERGED, DTYPE, SECONDS, THREADS, finished


def space_of(journal: Journal) -> Space:
    """The search space around the journal's recipe; the compute type is that of the first run that came to its end.

    Raises:
        ConfigurationError: the recipe does not lie in its family's space.
    """
    config = journal.description.config
    # Of finished trials: one that goes on needs the settings it began with, though its compute type be noted already.
    chosen = [trial.user_attrs[DTYPE] for trial in finished(journal.study) if DTYPE in trial.user_attrs]
    if chosen:
        config = config.with_overrides({"precision": chosen[0]})
    return space_for(config)


def search(journal: Journal, setup: StudySetup, *, trials: int, progress: StudyProgress) -> None:
    """Run trials until the journal holds `trials` finished ones; those that it holds count.

    Raises:
        ConfigurationError: the recipe does not lie in its family's space.
        CheckpointError: a checkpoint cannot be read or written.
    """
    study = journal.study
    _tidy(journal)
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
    """How many of `trials` are planned, and how many are left to be proposed."""
    done, untried, planned = finished(study), len(_untried(study, space)), len(space.planned())
    proposed = sum(not space.is_planned(trial.params) for trial in done) + max(0, trials - len(done) - untried)
    told = f"{planned} trials are planned: the recipe as it is, then one choice at a time"
    if proposed:
        return f"{told}; proposals after them: {proposed}"
    return f"{told}; none is left to be proposed: give --trials {planned + 1} or more"


def _tidy(journal: Journal) -> None:
    """Remove the checkpoints of trials that have ended; a kill may come between that and their removal."""
    for trial in journal.study.get_trials(deepcopy=False):
        if trial.state.is_finished():
            shutil.rmtree(_folder(journal, trial.number), ignore_errors=True)


def _folder(journal: Journal, number: int) -> Path:
    return journal.folder / f"trial-{number}"


def _interrupted(journal: Journal, space: Space) -> Trial | None:
    """The trial that a killed process was running, to go on with; one without all of its point is given up."""
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
    """The planned points that no finished trial has; to a journal of an older release some may have been added."""
    tried = [space.changes(trial.params) for trial in finished(study)]
    return [point for point in space.planned() if space.changes(point) not in tried]


def _run(trial: Trial, journal: Journal, space: Space, setup: StudySetup, progress: StudyProgress) -> None:
    study, point = journal.study, dict(trial.params)
    config = space.config(point)
    folder = _folder(journal, trial.number)
    # What is tried alone is there to be compared, and so runs to its end.
    compared = space.is_planned(point)
    known = set(study.get_trials(deepcopy=False)[trial.number].intermediate_values)
    started = time.perf_counter()

    def on_epoch(record: EpochRecord) -> None:
        if record.epoch not in known:
            known.add(record.epoch)
            trial.report(record.validation_accuracy or 0.0, record.epoch)
        if not compared and trial.should_prune():
            raise optuna.TrialPruned

    try:
        result = short_run(
            config, setup, folder, judged_on=setup.images.part("validation"), reporter=progress, on_epoch=on_epoch
        )
    except optuna.TrialPruned:
        told = study.tell(trial, state=TrialState.PRUNED)
    except TrainingDivergedError as error:
        trial.set_user_attr(DIVERGED, str(error))
        told = study.tell(trial, state=TrialState.PRUNED)
    else:
        for name, value in ((DTYPE, result.dtype), (THREADS, result.threads), (SECONDS, round(result.seconds, 1))):
            trial.set_user_attr(name, value)
        told = study.tell(trial, final_accuracy(result))
    progress.line(_line(told, space.changes(point), time.perf_counter() - started))
    shutil.rmtree(folder)


def _line(trial: FrozenTrial, changes: Point, seconds: float) -> str:
    changed = ", ".join(f"{name} {shown(value)}" for name, value in changes.items()) or "the recipe as it is"
    if DIVERGED in trial.user_attrs:
        reached, ended = "diverged", f" after {len(trial.intermediate_values)} whole epochs"
    else:
        early = f" after {len(trial.intermediate_values)} epochs, ended early"
        reached, ended = f"{trial.value:.2%}", "" if trial.state == TrialState.COMPLETE else early
    return f"trial {trial.number}: {reached}{ended}  {changed}  {seconds:.0f} s"


def _best(study: optuna.Study) -> str:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return f"best {study.best_value:.2%} (trial {study.best_trial.number})" if complete else ""


def _seed(seed: int, place: int) -> int:
    return int(np.random.SeedSequence((seed, place)).generate_state(1)[0])

"""The search: the recipe, each named choice alone, then what Optuna's sampler proposes.

Every proposal follows from the seed, the number of trials before it and their results. So a search that was killed
and goes on makes the same proposals as one that was not.
"""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path

import numpy as np
import optuna
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from core.errors import TrainingDivergedError
from training.checkpoint import EpochRecord
from training.studies.bench import Bench, final_accuracy, short_run
from training.studies.progress import StudyProgress
from training.tune.families import space_for
from training.tune.journal import Journal
from training.tune.space import Point, Space, shown

DTYPE, THREADS, SECONDS, DIVERGED = "dtype", "threads", "seconds", "diverged"
"""What is noted of a trial."""

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_JUDGED_FROM = 1 / 2
_LEAST_JUDGED = 3
"""Share of a run's epochs, and epochs at least, before which none is ended early: what learns fast at first is not what
ends best."""
_COMPARED_WITH = 5
"""Finished runs before the first that is ended early."""


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


def search(journal: Journal, bench: Bench, *, trials: int, progress: StudyProgress) -> None:
    """Run trials until the journal holds `trials` finished ones; those that it holds count.

    Raises:
        ConfigurationError: the recipe does not lie in its family's space.
        CheckpointError: a checkpoint cannot be read or written.
    """
    study = journal.study
    _tidy(journal)
    while len(done := finished(study)) < trials:
        progress.runs("tuning", done=len(done), total=trials, figures=_best(study))
        space = space_of(journal)
        study.pruner = MedianPruner(
            n_startup_trials=_COMPARED_WITH, n_warmup_steps=_unjudged(journal.description.config.epochs)
        )
        study.sampler = TPESampler(
            seed=_seed(journal.description.seed, len(done)),
            n_startup_trials=len(space.planned()),
            multivariate=True,
        )
        trial = _interrupted(journal, space) or _next(study, space, len(done))
        _run(trial, journal, space, bench, progress)
    progress.runs("tuning", done=len(finished(study)), total=trials, figures=_best(study))


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that ran to their end or were ended early, in the order of their numbers."""
    return study.get_trials(deepcopy=False, states=_FINISHED)


def baseline_trial(study: optuna.Study) -> FrozenTrial:
    """The trial that is the recipe as it is: of the finished ones, of which there is one at least, the first.

    Its number is 0, unless a kill while its point was drawn made the search give that trial up.
    """
    return finished(study)[0]


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


def _next(study: optuna.Study, space: Space, place: int) -> Trial:
    planned = space.planned()
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if place < len(planned) and not waiting:
        study.enqueue_trial(planned[place])
    return study.ask(dict(space.dimensions))


def _run(trial: Trial, journal: Journal, space: Space, bench: Bench, progress: StudyProgress) -> None:
    study, point = journal.study, dict(trial.params)
    config = space.config(point)
    folder = _folder(journal, trial.number)
    # What is tried alone is there to be compared, and so runs to its end.
    compared = point in space.planned()
    known = set(study.get_trials(deepcopy=False)[trial.number].intermediate_values)
    started = time.perf_counter()

    def on_epoch(record: EpochRecord) -> None:
        if record.epoch not in known:
            known.add(record.epoch)
            trial.report(record.validation_accuracy or 0.0, record.epoch)
        if record.epoch < config.epochs and not compared and trial.should_prune():
            raise optuna.TrialPruned

    try:
        result = short_run(
            config, bench, folder, judged_on=bench.images.part("validation"), reporter=progress, on_epoch=on_epoch
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


def _unjudged(epochs: int) -> int:
    """Epochs of a run after which it is not judged yet."""
    return max(_LEAST_JUDGED, math.ceil(_JUDGED_FROM * epochs))


def _seed(seed: int, place: int) -> int:
    return int(np.random.SeedSequence((seed, place)).generate_state(1)[0])

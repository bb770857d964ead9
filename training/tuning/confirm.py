"""Confirmation of the best trial: recipe and best trial, trained with new seeds and evaluated on fresh images.

The validation accuracy of the best of many trials is biased upwards by the selection. Therefore both are trained again
with seeds that the search has not used, and evaluated on training images outside the share of the search.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from core.errors import ConfigurationError
from core.statistics.intervals import ConfidenceInterval, student_mean
from training.tuning.ablation.progress import StudyProgress
from training.tuning.ablation.study_setup import StudySetup, final_accuracy, short_run
from training.tuning.journal import Journal, baseline_trial
from training.tuning.search import space_of


@dataclass(frozen=True)
class Confirmation:
    """Accuracies of the recipe and the best trial on fresh images, in the order of `seeds`."""

    trial: int
    seeds: tuple[int, ...]
    baseline: tuple[float, ...]
    best: tuple[float, ...]

    @property
    def gain(self) -> ConfidenceInterval:
        """Mean difference with its 95 % interval over seeds (paired Student's t)."""
        return student_mean([best - base for best, base in zip(self.best, self.baseline, strict=True)])


def confirm(journal: Journal, setup: StudySetup, *, seeds: int, progress: StudyProgress) -> None:
    """Train both with `seeds` new seeds, except runs that are already in the journal.

    Raises:
        ConfigurationError: no trial is complete.
        TrainingDivergedError: a loss is NaN or infinite.
        CheckpointError: a checkpoint cannot be read or written.
    """
    study, space = journal.study, space_of(journal)
    best = best_trial(study)
    baseline = baseline_trial(study).number
    if best == baseline:
        progress.line("no trial was better than the unchanged recipe: there is nothing to confirm")
        return
    first = journal.description.config.seed + 1
    runs = [(trial, seed) for seed in range(first, first + seeds) for trial in (baseline, best)]
    for done, (number, seed) in enumerate(runs):
        progress.runs("confirming", done=done, total=len(runs))
        folder = journal.folder / f"confirm-{number}-{seed}"
        if _key(number, seed) in study.user_attrs:
            shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed before the removal
            continue
        point = study.get_trials(deepcopy=False)[number].params
        config = space.config(point).with_overrides({"seed": seed})
        accuracy = final_accuracy(short_run(config, setup, folder, validation=setup.fresh, reporter=progress))
        study.set_user_attr(_key(number, seed), accuracy)
        progress.line(f"trial {number}, seed {seed}: {accuracy:.2%} of {len(setup.fresh):,} fresh images")
        shutil.rmtree(folder)
    progress.runs("confirming", done=len(runs), total=len(runs))


def best_trial(study: optuna.Study) -> int:
    """Return the number of the trial with the best final validation accuracy.

    Raises:
        ConfigurationError: no trial is complete.
    """
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise ConfigurationError(f"no trial of {study.study_name!r} is complete yet: run more trials")
    return study.best_trial.number


def read_confirmation(study: optuna.Study) -> Confirmation | None:
    """Return the confirmation of the best trial; None if fewer than two seeds of both are in the journal."""
    best, baseline = best_trial(study), baseline_trial(study).number
    attributes = study.user_attrs
    seeds = sorted(int(name.split(":")[2]) for name in attributes if name.startswith(_key(best, "")))
    seeds = [seed for seed in seeds if _key(baseline, seed) in attributes]
    if best == baseline or len(seeds) < 2:
        return None
    of_both = [tuple(attributes[_key(number, seed)] for seed in seeds) for number in (baseline, best)]
    return Confirmation(best, tuple(seeds), *of_both)


def _key(trial: int, seed: int | str) -> str:
    return f"confirmed:{trial}:{seed}"

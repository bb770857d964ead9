"""Is the best trial better, or was it lucky? The recipe and the best, each with new seeds, on images neither knows.

The best of many trials owes part of its figure to the validation images and the seed that it was chosen by. So both
are trained anew with seeds that the search has not used, and judged on training images that lay outside its share.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from core.errors import ConfigurationError
from core.repository.confidence_interval import ConfidenceInterval
from core.statistics.student import student_mean
from training.tuning.ablation.progress import StudyProgress
from training.tuning.ablation.study_setup import StudySetup, final_accuracy, short_run
from training.tuning.journal import Journal
from training.tuning.search import space_of
from training.tuning.trials import baseline_trial


@dataclass(frozen=True)
class Confirmation:
    """Accuracies of the recipe and of the best trial on fresh images, of the same seeds in the same order."""

    trial: int
    seeds: tuple[int, ...]
    baseline: tuple[float, ...]
    best: tuple[float, ...]

    @property
    def gain(self) -> ConfidenceInterval:
        """Mean difference of the two with its 95 % interval over seeds."""
        return student_mean([best - base for best, base in zip(self.best, self.baseline, strict=True)])


def confirm(journal: Journal, setup: StudySetup, *, seeds: int, progress: StudyProgress) -> None:
    """Train both with `seeds` new seeds; what the journal holds of them already is kept.

    Raises:
        ConfigurationError: no trial has ended.
        TrainingDivergedError: a run's loss is no longer finite.
        CheckpointError: a checkpoint cannot be read or written.
    """
    study, space = journal.study, space_of(journal)
    best = best_trial(study)
    baseline = baseline_trial(study).number
    if best == baseline:
        progress.line("no trial was better than the recipe as it is: there is nothing to confirm")
        return
    first = journal.description.config.seed + 1
    runs = [(trial, seed) for seed in range(first, first + seeds) for trial in (baseline, best)]
    for done, (number, seed) in enumerate(runs):
        progress.runs("confirming", done=done, total=len(runs))
        folder = journal.folder / f"confirm-{number}-{seed}"
        if _key(number, seed) in study.user_attrs:
            shutil.rmtree(folder, ignore_errors=True)  # a kill may have come between the note and its removal
            continue
        point = study.get_trials(deepcopy=False)[number].params
        config = space.config(point).with_overrides({"seed": seed})
        accuracy = final_accuracy(short_run(config, setup, folder, judged_on=setup.fresh, reporter=progress))
        study.set_user_attr(_key(number, seed), accuracy)
        progress.line(f"trial {number}, seed {seed}: {accuracy:.2%} of {len(setup.fresh):,} fresh images")
        shutil.rmtree(folder)
    progress.runs("confirming", done=len(runs), total=len(runs))


def best_trial(study: optuna.Study) -> int:
    """Number of the trial that ended best on the validation images.

    Raises:
        ConfigurationError: none has ended.
    """
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise ConfigurationError(f"no trial of {study.study_name!r} has run to its end yet")
    return study.best_trial.number


def read_confirmation(study: optuna.Study) -> Confirmation | None:
    """What the journal holds of the best trial's confirmation; None where that is less than two seeds of both."""
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

"""Records of the studies under DUET_HOME/studies: tunings and augmentation studies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from optuna.trial import TrialState

from core.errors import ConfigurationError
from core.records.studies import AugmentationStudy, Choice, Confirmed, Step, Tuning
from core.statistics.intervals import difference_of_proportions
from training.tuning.ablation.augmentation import cells, changed_settings, read_study, strengths
from training.tuning.ablation.runner import RESULTS_NAME
from training.tuning.ablation.study_folder import STUDIES_NAME
from training.tuning.confirm import best_trial, read_confirmation
from training.tuning.journal import EmptyJournalError, Journal, baseline_trial, finished, read_journal
from training.tuning.report import MIN_COMPLETE, importances_of, recipe_changes, unvaried
from training.tuning.search import single_changes, space_of
from training.tuning.space import Space, shown


def tunings(home: Path, judged_on: int) -> Iterator[Tuning]:
    """Yield a record of each tuning with enough finished trials.

    A tuning is left out if its baseline trial diverged, because choices are compared with the baseline.

    Args:
        home: DUET_HOME.
        judged_on: number of validation images of each trial.

    Raises:
        CheckpointError: a journal is damaged or of another release.
        ConfigurationError: a journal is of an unknown recipe.
    """
    for path in sorted((home / STUDIES_NAME).glob("*.journal")):
        try:
            journal = read_journal(home, path.stem)
        except EmptyJournalError:
            continue
        trials = finished(journal.study)
        enough = sum(trial.state == TrialState.COMPLETE for trial in trials) >= MIN_COMPLETE
        if enough and baseline_trial(journal.study).state == TrialState.COMPLETE:
            yield _tuning(path.stem, journal, judged_on)


def augmentation_studies(home: Path) -> Iterator[AugmentationStudy]:
    """Yield a record of each augmentation study with at least two complete seeds."""
    for path in sorted((home / STUDIES_NAME).glob(f"*/{RESULTS_NAME}")):
        study = read_study(path.parent)
        try:
            found = cells(study.runs)
        except ConfigurationError:  # unfinished: fewer than two complete seeds
            continue
        yield AugmentationStudy(
            name=path.parent.name,
            data_digest=study.data_digest,
            split_digest=study.split_digest,
            images=study.images,
            seeds=len(found[0].accuracies),
            epochs={run.recipe: int(run.config["epochs"]) for run in study.runs},
            settings={run.recipe: changed_settings(run) for run in study.runs},
            strengths={recipe: strengths(study, recipe) for recipe in dict.fromkeys(run.recipe for run in study.runs)},
            teacher=study.teacher,
            minutes=sum(run.seconds for run in study.runs) / 60,
            steps=tuple(
                Step(recipe=cell.recipe, step=cell.step, accuracy=cell.accuracy, difference=cell.difference)
                for cell in found
            ),
        )


def _tuning(name: str, journal: Journal, judged_on: int) -> Tuning:
    about, study, space = journal.description, journal.study, space_of(journal)
    trials, baseline = finished(study), baseline_trial(study)
    best, found = best_trial(study), read_confirmation(study)
    seconds = sum(trial.duration.total_seconds() for trial in trials if trial.duration is not None)
    own: Mapping[str, object] = space.baseline
    return Tuning(
        name=name,
        recipe=about.config.recipe,
        architecture=about.config.architecture,
        data_digest=about.data_digest,
        trials=len(trials),
        epochs=about.config.epochs,
        share=about.share,
        minutes=seconds / 60,
        settings=recipe_changes(about.config),
        own={setting: shown(own[setting]) for setting in space.singles},
        choices=tuple(_choices(journal, space, judged_on)),
        baseline=baseline.intermediate_values[about.config.epochs],
        best=study.best_value,
        changes={
            setting: shown(value)
            for setting, value in space.changes(study.get_trials(deepcopy=False)[best].params).items()
        },
        importances=_importances(journal),
        unvaried=unvaried(study),
        whole=sum(trial.state == TrialState.COMPLETE for trial in trials),
        confirmed=None if found is None else Confirmed(seeds=len(found.seeds), gain=found.gain),
    )


def _choices(journal: Journal, space: Space, judged_on: int) -> Iterator[Choice]:
    """Yield the single changes, compared with the recipe after the same number of epochs."""
    baseline = baseline_trial(journal.study).intermediate_values
    for setting, value, accuracies in single_changes(journal.study, space):
        epoch = max(accuracies, default=0)
        reached = accuracies.get(epoch)
        difference = None
        if reached is not None:
            difference = difference_of_proportions(
                (round(reached * judged_on), judged_on), (round(baseline[epoch] * judged_on), judged_on)
            )
        yield Choice(setting=setting, value=shown(value), epochs=epoch, accuracy=reached, difference=difference)


def _importances(journal: Journal) -> dict[str, float]:
    try:
        return dict(importances_of(journal.study))
    except ConfigurationError:  # all trials have the same accuracy
        return {}

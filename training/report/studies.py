"""Records of what was tried under DUET_HOME/studies: tunings from their journals, augmentation studies from results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from core.errors import ConfigurationError
from core.reports.studies import AugmentationStudy, Choice, Confirmed, Step, Tuning
from core.statistics.proportions import difference_of_proportions
from training.studies.augmentation import RESULTS_NAME, cells, read_study
from training.studies.places import STUDIES_NAME
from training.tune.confirm import BASELINE, best_trial, read_confirmation
from training.tune.journal import Journal, read_journal
from training.tune.report import LEAST, importances_of
from training.tune.search import DIVERGED, finished, space_of
from training.tune.space import Space, shown


def tunings(home: Path, judged_on: int) -> Iterator[Tuning]:
    """A record of every tuning of `home` that has enough finished trials.

    Args:
        home: DUET_HOME.
        judged_on: how many validation images the trials were judged on.
    """
    for path in sorted((home / STUDIES_NAME).glob("*.journal")):
        journal = read_journal(home, path.stem)
        trials = finished(journal.study)
        if sum(trial.state == TrialState.COMPLETE for trial in trials) >= LEAST:
            yield _tuning(path.stem, journal, trials, judged_on)


def augmentation_studies(home: Path) -> Iterator[AugmentationStudy]:
    """A record of every augmentation study of `home` that has two whole seeds."""
    for path in sorted((home / STUDIES_NAME).glob(f"*/{RESULTS_NAME}")):
        study = read_study(path.parent)
        try:
            found = cells(study.runs)
        except ConfigurationError:  # it is under way: no whole seeds yet
            continue
        yield AugmentationStudy(
            name=path.parent.name,
            data_digest=study.data_digest,
            split_digest=study.split_digest,
            seeds=len(found[0].accuracies),
            epochs={run.recipe: int(run.config["epochs"]) for run in study.runs},
            minutes=sum(run.seconds for run in study.runs) / 60,
            steps=tuple(
                Step(recipe=cell.recipe, step=cell.step, accuracy=cell.accuracy, difference=cell.difference)
                for cell in found
            ),
        )


def _tuning(name: str, journal: Journal, trials: list[FrozenTrial], judged_on: int) -> Tuning:
    about, study, space = journal.description, journal.study, space_of(journal)
    best, found = best_trial(study), read_confirmation(study)
    seconds = sum(trial.duration.total_seconds() for trial in trials if trial.duration is not None)
    own: Mapping[str, object] = space.baseline
    return Tuning(
        name=name,
        recipe=about.config.recipe,
        architecture=about.config.network.kind,
        data_digest=about.data_digest,
        trials=len(trials),
        epochs=about.config.epochs,
        share=about.share,
        minutes=seconds / 60,
        own={setting: shown(own[setting]) for setting in space.singles},
        choices=tuple(_choices(trials, space, judged_on)),
        baseline=trials[BASELINE].value or 0.0,
        best=study.best_value,
        changes={
            setting: shown(value)
            for setting, value in space.changes(study.get_trials(deepcopy=False)[best].params).items()
        },
        importances=_importances(journal),
        confirmed=None if found is None else Confirmed(seeds=len(found.seeds), gain=found.gain),
    )


def _choices(trials: list[FrozenTrial], space: Space, judged_on: int) -> Iterator[Choice]:
    """The trials that differ from the recipe in one choice, each against it after as many epochs."""
    baseline = trials[BASELINE].intermediate_values
    for trial in trials:
        changes = space.changes(trial.params)
        if len(changes) != 1 or not changes.keys() <= set(space.singles):
            continue
        ((setting, value),) = changes.items()
        epoch = 0 if DIVERGED in trial.user_attrs else max(trial.intermediate_values)
        reached = trial.intermediate_values.get(epoch)
        difference = None
        if reached is not None:
            difference = difference_of_proportions(
                (round(reached * judged_on), judged_on), (round(baseline[epoch] * judged_on), judged_on)
            )
        yield Choice(setting=setting, value=shown(value), epochs=epoch, accuracy=reached, difference=difference)


def _importances(journal: Journal) -> dict[str, float]:
    try:
        return dict(importances_of(journal.study))
    except ConfigurationError:  # the trials ended alike
        return {}

"""Report of a tuning, generated from its journal: a page, three figures and a copy of the journal."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import optuna
from optuna.importance import FanovaImportanceEvaluator
from optuna.search_space import intersection_search_space
from optuna.trial import FrozenTrial, TrialState

from core.errors import ConfigurationError
from core.recipes import RecipeConfig, recipe_config
from training.data.splits import CIFAR10_VALIDATION
from training.plots.style import save_small
from training.plots.templates import template_environment
from training.tuning.confirm import best_trial, read_confirmation
from training.tuning.figures import history_figure, importance_figure, parallel_figure
from training.tuning.journal import (
    DIVERGED,
    Journal,
    accuracies_of,
    baseline_trial,
    finished,
    journal_path,
    read_journal,
)
from training.tuning.search import single_changes, space_of
from training.tuning.space import Space, shown

PAGE_NAME, JOURNAL_NAME = "README.md", "journal.gz"
MIN_COMPLETE = 4
"""Minimum number of complete trials for importances."""


def write_report(home: Path, name: str, folder: Path) -> Path:
    """Write README.md, history.png, importances.png, parallel.png and journal.gz to `folder`; returns the page.

    Raises:
        ConfigurationError: the tuning does not exist, or has too few trials or no variance.
        OSError: the folder cannot be written.
    """
    journal = read_journal(home, name)
    study, space = journal.study, space_of(journal)
    trials = finished(study)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if len(complete) < MIN_COMPLETE:
        raise ConfigurationError(
            f"only {len(complete)} trials of {name!r} are complete: a report needs {MIN_COMPLETE}, so run more --trials"
        )
    importances = importances_of(study)
    folder.mkdir(parents=True, exist_ok=True)
    save_small(history_figure(trials), folder / "history.png")
    save_small(importance_figure(importances), folder / "importances.png")
    # Journals of older releases lack newer dimensions.
    searched = {name: each for name, each in space.dimensions.items() if all(name in trial.params for trial in trials)}
    save_small(parallel_figure(trials, searched), folder / "parallel.png")
    # Reproducible bytes: no file name and no time in the gzip header.
    (folder / JOURNAL_NAME).write_bytes(gzip.compress(journal_path(home, name).read_bytes(), mtime=0))
    page = folder / PAGE_NAME
    page.write_text(page_text(journal), encoding="utf-8")
    return page


def importances_of(study: optuna.Study) -> Mapping[str, float]:
    """Return importances by fANOVA (Hutter, Hoos & Leyton-Brown 2014) over the complete trials.

    Raises:
        ConfigurationError: all trials have the same accuracy, or no setting varied.
    """
    try:
        found = optuna.importance.get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    except RuntimeError:  # the forest found no variance
        found = {}
    without = unvaried(study)
    varied = {name: share for name, share in found.items() if name not in without}
    if not varied:
        raise ConfigurationError(
            f"the trials of {study.study_name!r} have equal accuracy or settings: run more --trials"
        )
    return varied


def unvaried(study: optuna.Study) -> tuple[str, ...]:
    """Return the settings with one value in all complete trials, whose importance is unknown."""
    return tuple(name for name, values in _values(study).items() if len(values) == 1)


def recipe_changes(config: RecipeConfig) -> dict[str, str]:
    """Return the settings of trial 0 that differ from its recipe, by dotted name, except epochs and seed."""
    recipe = recipe_config(config.recipe).with_overrides({"epochs": config.epochs, "seed": config.seed})
    return {key: str(value) for key, (value, _) in config.differences(recipe).items()}


def _values(study: optuna.Study) -> dict[str, set[object]]:
    """Return the values in the complete trials of each setting that all of them have."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return {name: {trial.params[name] for trial in complete} for name in intersection_search_space(complete)}


def page_text(journal: Journal) -> str:
    """Return the Markdown of the page; the journal must have complete trials.

    Raises:
        ConfigurationError: the recipe is outside its family's space.
    """
    study, about, space = journal.study, journal.description, space_of(journal)
    trials = finished(study)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best, baseline = study.get_trials(deepcopy=False)[best_trial(study)], baseline_trial(study)
    diverged = sum(map(_diverged, trials))
    environment = template_environment(Path(__file__).parent)
    environment.filters |= {
        "diverged": _diverged, "ended": _ended, "listed": _listed, "percent": _percent, "shown": shown
    }  # fmt: skip
    return environment.get_template("report.md.j2").render(
        about=about,
        trials=trials,
        early=sum(trial.state == TrialState.PRUNED for trial in trials) - diverged,
        diverged=diverged,
        machine=complete[0].user_attrs,
        minutes=sum(trial.duration.total_seconds() for trial in trials if trial.duration is not None) / 60,
        settings=_listed(recipe_changes(about.config)),
        best=best,
        baseline=baseline,
        changes=lambda trial: space.changes(trial.params),
        options=_options(space, best),
        confirmed=read_confirmation(study),
        own={name: space.baseline[name] for name in space.singles},
        singles=list(single_changes(study, space)),
        reference=accuracies_of(baseline),
        validation=CIFAR10_VALIDATION,
        complete=len(complete),
        unvaried=unvaried(study),
    )


def _options(space: Space, trial: FrozenTrial) -> list[str]:
    base = space.config(space.baseline)
    differences = base.differences(space.config(trial.params))
    return [f"--set {key}={value:.6g}" if isinstance(value, float) else f"--set {key}={str(value).replace(' ', '')}"
            for key, (_, value) in differences.items()]  # fmt: skip


def _listed(settings: Mapping[str, object], between: str = " ") -> str:
    return ", ".join(f"{name}{between}{shown(value)}" for name, value in settings.items())


def _diverged(trial: FrozenTrial) -> bool:
    return DIVERGED in trial.user_attrs


def _ended(trial: FrozenTrial) -> str:
    return "" if trial.state == TrialState.COMPLETE else "diverged" if _diverged(trial) else "early"


def _percent(trial: FrozenTrial) -> str:
    return "" if trial.value is None or _diverged(trial) else f"{trial.value:.2%}"

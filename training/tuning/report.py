"""Report of a tuning, generated from its journal: a page, three figures and a copy of the journal."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import optuna
from optuna.importance import FanovaImportanceEvaluator
from optuna.search_space import intersection_search_space
from optuna.trial import FrozenTrial, TrialState

from core.errors import ConfigurationError
from core.recipes import RecipeConfig, recipe_config
from training.data.splits import CIFAR10_VALIDATION
from training.tuning.ablation.png import save_small
from training.tuning.confirm import best_trial, read_confirmation
from training.tuning.figures import history_figure, importance_figure, parallel_figure
from training.tuning.journal import Journal, journal_path, read_journal
from training.tuning.search import space_of
from training.tuning.space import Space, shown
from training.tuning.trials import DIVERGED, DTYPE, SECONDS, THREADS, accuracies_of, baseline_trial, finished

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
    figures = _figures(len(complete), unvaried(study))
    parts = [_head(journal, trials), _result(study, space), _single_changes(study, space), figures]
    page = folder / PAGE_NAME
    page.write_text("\n".join([*parts, _table(trials, space)]))
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


def _head(journal: Journal, trials: list[FrozenTrial]) -> str:
    about = journal.description
    first = next(trial.user_attrs for trial in trials if trial.state == TrialState.COMPLETE)
    seconds = sum(trial.duration.total_seconds() for trial in trials if trial.duration is not None)
    diverged = sum(DIVERGED in trial.user_attrs for trial in trials)
    early = sum(trial.state == TrialState.PRUNED for trial in trials) - diverged
    changed = ", ".join(f"{name} {value}" for name, value in recipe_changes(about.config).items())
    return (
        f"""# Tuning of {about.config.recipe}

{len(trials)} trials of {about.config.epochs} epochs on {about.share:.0%} of the training images of {about.data}, \
evaluated on the validation images;
the median rule stopped {early} early{f"; {diverged} diverged" if diverged else ""}. Seed {about.seed}; \
computed in {first[DTYPE]} on {first[THREADS]} threads; {seconds / 60:.0f} minutes of wall time.
{f"{chr(10)}Settings changed in all trials: {changed}." if changed else ""}
""".rstrip()
        + "\n"
    )


def _result(study: optuna.Study, space: Space) -> str:
    best = best_trial(study)
    trials, baseline = study.get_trials(deepcopy=False), baseline_trial(study)
    lines = ["## Result", ""]
    if best == baseline.number:
        lines.append(f"No trial was better than the unchanged recipe ({_percent(baseline)}).")
        return "\n".join([*lines, ""])
    changes = space.changes(trials[best].params)
    reached = "diverged" if DIVERGED in baseline.user_attrs else f"has {_percent(baseline)}"
    lines += [
        f"Trial {best} is the best with {_percent(trials[best])}; the unchanged recipe {reached}. It "
        "changes " + ", ".join(f"{name} to {shown(value)}" for name, value in changes.items()) + ":",
        "",
        "<!-- not run: options of `duet train` and `duet tune` -->",
        "```text",
        *_settings(space, trials[best]),
        "```",
        "",
    ]
    found = read_confirmation(study)
    if found is None:
        lines.append("It was not confirmed with other seeds and fresh images, so selection inflates its accuracy.")
        return "\n".join([*lines, ""])
    gain = found.gain
    verdict = "a significant gain" if gain.low > 0 else "a significant loss" if gain.high < 0 else "not significant"
    lines += [
        f"Accuracy with {len(found.seeds)} new seeds each, on training images outside the search:",
        "",
        "| seed | " + " | ".join(map(str, found.seeds)) + " | mean |",
        "|---|" + "---|" * (len(found.seeds) + 1),
        *(
            f"| {name} | " + " | ".join(f"{value:.2%}" for value in values) + f" | {sum(values) / len(values):.2%} |"
            for name, values in (("unchanged recipe", found.baseline), (f"trial {best}", found.best))
        ),
        "",
        f"The difference is {100 * gain.value:+.2f} points (95 % interval {100 * gain.low:+.2f} to "
        f"{100 * gain.high:+.2f}), {verdict}.",
    ]
    return "\n".join([*lines, ""])


def _settings(space: Space, trial: FrozenTrial) -> list[str]:
    base = space.config(space.baseline)
    differences = base.differences(space.config(trial.params))
    return [f"--set {key}={value:.6g}" if isinstance(value, float) else f"--set {key}={str(value).replace(' ', '')}"
            for key, (_, value) in differences.items()]  # fmt: skip


def _single_changes(study: optuna.Study, space: Space) -> str:
    """Return a table of the trials with one changed choice, compared with the recipe after equal epochs."""
    baseline = accuracies_of(baseline_trial(study))
    rows = []
    for trial in finished(study):
        changes = space.changes(trial.params)
        if len(changes) != 1 or not changes.keys() <= set(space.singles):
            continue
        ((name, value),) = changes.items()
        accuracies = accuracies_of(trial)
        if not accuracies:
            rows.append(f"| {name} | {shown(value)} | diverged | | |")
            continue
        epoch, reached = max(accuracies.items())
        points = f"{100 * (reached - baseline[epoch]):+.2f}" if baseline else ""
        rows.append(f"| {name} | {shown(value)} | {reached:.2%} | {points} | {epoch} |")
    own = ", ".join(f"{name} {shown(space.baseline[name])}" for name in space.singles)
    return "\n".join(
        [
            "## Single changes",
            "",
            f"The recipe has {own}. Each row changes one of them (an optimizer has its own learning rates). Points "
            "are the difference to the recipe after the same number of epochs; on "
            f"{CIFAR10_VALIDATION:,} images, differences below two points are within sampling noise.",
            "",
            "| setting | value | validation | points | epochs |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _figures(complete: int, without: Sequence[str]) -> str:
    left_out = f"\nNot varied among the complete trials: {', '.join(without)}.\n" if without else ""
    return f"""## Figures

![accuracy of every trial](history.png)

Importance by fANOVA over the {complete} complete trials; with this number of trials, only the order of the largest \
is reliable:

![importances](importances.png)
{left_out}
![every trial through its settings](parallel.png)
"""


def _table(trials: list[FrozenTrial], space: Space) -> str:
    rows = []
    for trial in trials:
        changes = ", ".join(f"{name} {shown(value)}" for name, value in space.changes(trial.params).items())
        seconds = trial.user_attrs.get(SECONDS)
        ended = "" if trial.state == TrialState.COMPLETE else "diverged" if DIVERGED in trial.user_attrs else "early"
        rows.append(
            f"| {trial.number} | {_percent(trial)} | {len(trial.intermediate_values)} | {ended} | "
            f"{'' if seconds is None else f'{seconds:.0f}'} | {changes or 'unchanged recipe'} |"
        )
    head = [
        "## All trials",
        "",
        "| trial | validation | epochs | ended | seconds | changed |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def _percent(trial: FrozenTrial) -> str:
    return "" if trial.value is None or DIVERGED in trial.user_attrs else f"{trial.value:.2%}"

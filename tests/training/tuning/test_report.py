"""The report of a tuning, from a journal of made-up results."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from optuna.trial import TrialState

from core.errors import ConfigurationError
from core.recipes import recipe_config
from core.records.studies import Tuning
from training.analysis.report.studies import tunings
from training.tuning.figures import history_figure, importance_figure, parallel_figure
from training.tuning.journal import DIVERGED, Description, finished, open_journal, read_journal
from training.tuning.report import importances_of, page_text, unvaried, write_report
from training.tuning.search import space_of

NAME = "made-up"
DESCRIPTION = Description(
    config=recipe_config("mlp_labels").with_overrides({"epochs": 4}),
    share=0.5, seed=0, data="cifar10", data_digest="a" * 64, split_digest="b" * 64,
)  # fmt: skip


def made_up(
    home: Path,
    *,
    trials: int = 12,
    best: int | None = 9,
    confirmed: tuple[float, ...] = (),
    diverged: int | None = None,
    given_up: bool = False,
    unsearched: tuple[str, ...] = (),
) -> None:
    """A journal in which width decides the accuracy and trial `best` is two points above the rest.

    Trial 5 ends early, after two epochs; so does the one that `diverged`, whose loss is infinite in the third.
    Dimensions that are `unsearched` are missing, as in a journal of before they were.
    Where a trial was `given_up` while its point was drawn, that is number 0, and all others have numbers one higher.
    """
    with open_journal(home, NAME, DESCRIPTION) as journal:
        space, first = space_of(journal), int(given_up)
        if given_up:
            drawn = journal.study.ask(dict(list(space.dimensions.items())[:3]))
            journal.study.tell(drawn, state=TrialState.FAIL)
        random = np.random.default_rng(0)
        for number in range(trials):
            point = {**space.baseline, "width": random.choice([0.5, 0.75, 1.0, 1.25]), "rate": random.uniform(0.3, 3)}
            journal.study.enqueue_trial(space.planned()[number] if number < 8 else point)
            trial = journal.study.ask({name: each for name, each in space.dimensions.items() if name not in unsearched})
            accuracy = 0.5 + 0.02 * trial.params["width"] + (0.02 if number == best else 0) - 0.0001 * number
            ended = number in (5, diverged)
            for epoch in range(1, 3 if ended else 5):
                trial.report(accuracy * epoch / 4, epoch)
            if ended:
                if number == diverged:
                    trial.set_user_attr(DIVERGED, "the loss is infinite")
                journal.study.tell(trial, state=TrialState.PRUNED)
                continue
            for name, value in {"dtype": "float32", "threads": 2, "seconds": 61.5}.items():
                trial.set_user_attr(name, value)
            journal.study.tell(trial, accuracy)
        for seed, gain in enumerate(confirmed, start=1):
            journal.study.set_user_attr(f"confirmed:{first}:{seed}", 0.6 + 0.01 * seed)
            journal.study.set_user_attr(f"confirmed:{journal.study.best_trial.number}:{seed}", 0.6 + 0.01 * seed + gain)


def page(home: Path) -> str:
    return page_text(read_journal(home, NAME))


def test_report_of_a_journal_is_complete_and_small(tmp_path: Path) -> None:
    made_up(tmp_path)
    folder = tmp_path / "report"
    text = write_report(tmp_path, NAME, folder).read_text()
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "history.png", "importances.png", "parallel.png", "journal.gz",
    }  # fmt: skip
    assert sum(path.stat().st_size for path in folder.iterdir()) < 100_000
    assert (
        gzip.decompress((folder / "journal.gz").read_bytes()) == (tmp_path / "studies" / f"{NAME}.journal").read_bytes()
    )
    assert "12 trials of 4 epochs on 50% of the training images" in text
    assert "\nthe median rule stopped 1 early. Seed" in text
    assert "Trial 9 is the best" in text
    assert "It was not confirmed" in text
    # mse was ended after two epochs: 0.5195 * 2/4 against 0.52 * 2/4
    assert "| loss | mse | 25.98% | -0.02 | 2 |" in text
    assert "| activation | relu | 51.99% | -0.01 | 4 |" in text


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((0.02, 0.021, 0.019), "+2.00 points (95 % interval +1.75 to +2.25), a significant gain"),
        ((0.02, -0.02), "not significant"),
        ((-0.02, -0.021, -0.019), "a significant loss"),
    ],
)
def test_report_states_the_significance_of_the_gain(tmp_path: Path, gains: tuple[float, ...], verdict: str) -> None:
    made_up(tmp_path, confirmed=gains)
    assert verdict in page(tmp_path)


def test_report_of_a_journal_without_newer_dimensions(tmp_path: Path) -> None:
    made_up(tmp_path / "whole", confirmed=(0.02, 0.021, 0.019))
    made_up(tmp_path / "older", confirmed=(0.02, 0.021, 0.019), unsearched=("rotate", "stretch"))
    assert "rotate" not in read_journal(tmp_path / "older", NAME).study.best_params
    whole = page(tmp_path / "whole")
    assert ", rotate, stretch, " in whole
    assert page(tmp_path / "older") == whole.replace(", rotate, stretch, ", ", ")


def test_unvaried_settings_have_no_importance(tmp_path: Path) -> None:
    made_up(tmp_path)
    study = read_journal(tmp_path, NAME).study
    varied = {"activation", "loss", "optimizer", "rate", "width"}
    assert importances_of(study).keys() == varied
    assert set(unvaried(study)) == study.best_params.keys() - varied
    assert (
        "\nNot varied among the complete trials: "
        "cutout, depth, dropout, mixup, rotate, stretch, translate, weight_decay.\n" in page(tmp_path)
    )
    (record,) = tunings(tmp_path, judged_on=5000)
    assert record.importances.keys() == varied
    assert record.unvaried == unvaried(study)
    older = record.model_dump(mode="json", exclude={"unvaried"})
    assert Tuning.model_validate(older) == record.model_copy(update={"unvaried": None})


@pytest.mark.parametrize("given_up", [False, True])
def test_report_of_an_unbeaten_recipe(tmp_path: Path, given_up: bool) -> None:
    made_up(tmp_path, trials=8, best=0, given_up=given_up)
    assert "No trial was better than the unchanged recipe (54.00%)." in page(tmp_path)


def test_report_skips_a_failed_first_trial(tmp_path: Path) -> None:
    made_up(tmp_path, confirmed=(0.02, 0.021, 0.019), given_up=True)
    text = page(tmp_path)
    assert "12 trials of 4 epochs" in text
    assert "Trial 10 is the best" in text
    assert "; the unchanged recipe has 52.00%. It changes" in text
    assert "| unchanged recipe | 61.00% | 62.00% | 63.00% | 62.00% |" in text
    assert "| activation | relu | 51.99% | -0.01 | 4 |" in text


def test_report_counts_diverged_trials_apart(tmp_path: Path) -> None:
    made_up(tmp_path, diverged=5)
    text = page(tmp_path)
    assert "\nthe median rule stopped 0 early; 1 diverged. Seed" in text
    assert "| loss | mse | diverged | | |" in text
    assert "| 5 |  | 2 | diverged |  | loss mse |" in text
    ends, epochs = history_figure(finished(read_journal(tmp_path, NAME).study)).axes
    assert [len(np.asarray(drawn.get_offsets())) for drawn in ends.collections] == [11, 0]
    assert sum(len(np.asarray(line.get_xdata())) > 0 for line in epochs.get_lines()) == 11


def test_report_of_a_diverged_recipe_has_no_differences(tmp_path: Path) -> None:
    made_up(tmp_path, diverged=0)
    text = page(tmp_path)
    assert "computed in float32 on 2 threads" in text
    assert "; the unchanged recipe diverged. It changes" in text
    assert "| activation | relu | 51.99% |  | 4 |" in text


def test_report_prints_overrides_of_the_best_trial(tmp_path: Path) -> None:
    made_up(tmp_path)
    block = page(tmp_path).split("```text\n")[1].split("```")[0]
    options = [line.split(" ") for line in block.splitlines()]
    assert {words[0] for words in options} == {"--set"}
    assert {words[1].partition("=")[0] for words in options} >= {"network.hidden", "optimization.learning_rate"}
    assert all(len(words) == 2 for words in options)


def test_report_of_too_few_trials_is_refused(tmp_path: Path) -> None:
    made_up(tmp_path, trials=3, best=None)
    with pytest.raises(ConfigurationError, match="only 3 trials of 'made-up' are complete"):
        write_report(tmp_path, NAME, tmp_path / "report")


def test_report_of_equal_trials_is_refused(tmp_path: Path) -> None:
    with open_journal(tmp_path, NAME, DESCRIPTION) as journal:
        space = space_of(journal)
        for point in space.planned():
            journal.study.enqueue_trial(point)
            journal.study.tell(journal.study.ask(dict(space.dimensions)), 0.5)
    with pytest.raises(ConfigurationError, match=r"equal accuracy or settings.*more --trials"):
        write_report(tmp_path, NAME, tmp_path / "report")


def test_figures_show_the_trials_of_the_journal(tmp_path: Path) -> None:
    made_up(tmp_path)
    journal = read_journal(tmp_path, NAME)
    trials, space = finished(journal.study), space_of(journal)
    ends = history_figure(trials).axes[0]
    assert len(np.asarray(ends.collections[0].get_offsets())) == 11
    assert len(np.asarray(ends.collections[1].get_offsets())) == 1
    bests = np.asarray(ends.get_lines()[0].get_ydata(), dtype=float)
    assert (np.diff(bests) >= 0).all()
    assert bests[-1] == journal.study.best_value

    bars = importance_figure({"width": 0.7, "rate": 0.3}).axes[0]
    assert [label.get_text() for label in bars.get_yticklabels()] == ["width", "rate"]

    parallel: Figure = parallel_figure(trials, space.dimensions)
    axes = parallel.axes[0]
    through = [line for line in axes.get_lines() if len(np.asarray(line.get_xdata())) == len(space.dimensions) + 1]
    assert len(through) == 11
    last = [float(np.asarray(line.get_ydata())[-1]) for line in through]
    assert last == sorted(last)
    assert (last[0], last[-1]) == (0.0, 1.0)
    place = list(space.dimensions).index("width")
    assert {float(np.asarray(line.get_ydata())[place]) for line in through} <= {0.0, 1 / 3, 2 / 3, 1.0}

"""The search of `duet tune`, on small made-up images."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import Trial, TrialState

from core.errors import ConfigurationError
from core.recipes import RecipeConfig
from core.repository.repository import ModelRepository
from tests.support.training_runs import CPU, small_images, small_recipe
from training.data.split_dataset import Images
from training.fit import loop
from training.run.checkpoint import EpochRecord
from training.tuning.ablation import study_setup
from training.tuning.ablation.progress import StudyProgress
from training.tuning.ablation.study_setup import StudySetup, make_study_setup
from training.tuning.confirm import confirm, read_confirmation
from training.tuning.journal import DTYPE, SECONDS, Description, baseline_trial, finished, open_journal, read_journal
from training.tuning.search import search, space_of

NAME = "small"


def small_bench(folder: Path) -> StudySetup:
    repository = ModelRepository(folder / "models", folder / "shipped")
    return make_study_setup(small_images(), 0.5, repository, threads=1, device=CPU)


def described(setup: StudySetup, config: RecipeConfig, **fields: Any) -> Description:
    values = {
        "config": config,
        "share": 0.5,
        "seed": 0,
        "data": "cifar10",
        "data_digest": setup.images.dataset.digest,
        "split_digest": setup.images.split.digest,
    }
    return Description(**(values | fields))


def tuned(home: Path, *, trials: int, progress: StudyProgress | None = None, **overrides: Any) -> None:
    setup = small_bench(home)
    config = small_recipe("mlp", **({"epochs": 3} | overrides))
    with open_journal(home, NAME, described(setup, config)) as journal:
        search(journal, setup, trials=trials, progress=progress or StudyProgress())


def results(home: Path) -> list[tuple[str, dict[str, Any], dict[int, float]]]:
    """State, point and accuracies of every trial that counts."""
    study = read_journal(home, NAME).study
    return [(trial.state.name, trial.params, trial.intermediate_values) for trial in finished(study)]


class Stopped(StudyProgress):
    """Stops the search at the given moment of the given run: by an interrupt, or by SIGKILL as a power cut would."""

    def __init__(self, *, at: str, run: int, kill: bool = False) -> None:
        super().__init__()
        self._at, self._left, self._kill = at, run, kill

    def _here(self, moment: str) -> None:
        if moment == self._at:
            self._left -= 1
            if self._left < 0:
                if self._kill:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise KeyboardInterrupt

    def runs(self, what: str, *, done: int, total: int, figures: str = "") -> None:
        self._here("runs")

    def fit_started(self, *, steps: int, done: int, detail: str) -> None:
        self._here("start")

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        if record.epoch == 2:
            self._here("epoch")

    def line(self, text: str) -> None:
        self._here("line")


@pytest.mark.full
def test_search_stopped_and_killed_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    trials = 11
    tuned(tmp_path / "whole", trials=trials)
    whole = results(tmp_path / "whole")
    assert len(whole) == trials
    home = tmp_path / "killed"
    call = f"tuned(Path({str(home)!r}), trials={trials}, progress=Stopped(at='line', run=3, kill=True))"
    command = [sys.executable, "-W", "error", "-c", f"from tests.training.tuning.test_search import *; {call}"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    killed = subprocess.run(command, env=environment, capture_output=True, timeout=250, check=False)
    assert killed.returncode == -signal.SIGKILL
    for at, run in (("start", 0), ("epoch", 1), ("runs", 2)):
        with (home / "studies" / f"{NAME}.journal").open("ab") as stream:
            stream.write(b'{"op_code": 4, "wor')  # as much as was on disk of a line
        with pytest.raises(KeyboardInterrupt):
            tuned(home, trials=trials, progress=Stopped(at=at, run=run))
    tuned(home, trials=trials)
    assert results(home) == whole
    assert not list((home / "studies" / NAME).glob("trial-*"))


def test_first_trials_are_the_recipe_and_single_changes(tmp_path: Path) -> None:
    tuned(tmp_path, trials=3, epochs=1)
    journal = read_journal(tmp_path, NAME)
    space = space_of(journal)
    points = [trial.params for trial in finished(journal.study)]
    assert space.config(points[0]) == journal.description.config
    assert [space.changes(point) for point in points] == [{}, {"activation": "gelu"}, {"activation": "silu"}]
    assert all(trial.user_attrs["dtype"] == "float32" for trial in finished(journal.study))


def test_interrupted_first_trial_keeps_its_dtype(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    types = iter(("bfloat16", "float32", "float32"))
    monkeypatch.setattr(loop, "pick_dtype", lambda _device: next(types))
    note = Trial.set_user_attr

    def stopped(trial: Trial, key: str, value: object) -> None:
        if key == SECONDS:
            raise KeyboardInterrupt
        note(trial, key, value)

    with monkeypatch.context() as patched:
        patched.setattr(Trial, "set_user_attr", stopped)
        with pytest.raises(KeyboardInterrupt):
            tuned(tmp_path, trials=2, epochs=1, precision="auto")
    (running,) = read_journal(tmp_path, NAME).study.get_trials(states=(TrialState.RUNNING,))
    assert running.user_attrs[DTYPE] == "bfloat16"
    tuned(tmp_path, trials=2, epochs=1, precision="auto")
    trials = finished(read_journal(tmp_path, NAME).study)
    assert [(trial.number, trial.user_attrs[DTYPE]) for trial in trials] == [(0, "bfloat16"), (1, "bfloat16")]


@pytest.mark.parametrize("cut", [0, 1])
def test_incomplete_point_is_drawn_again(cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []

    def choose(_device: object) -> str:
        chosen.append("float32")
        return chosen[-1]

    monkeypatch.setattr(loop, "pick_dtype", choose)
    tuned(tmp_path / "whole", trials=3, epochs=1, precision="auto")
    assert len(chosen) == 1
    home = tmp_path / "cut"
    path = home / "studies" / f"{NAME}.journal"
    path.parent.mkdir(parents=True)
    lines = (tmp_path / "whole" / "studies" / f"{NAME}.journal").read_text().splitlines(keepends=True)
    drawn = [number for number, line in enumerate(lines) if '"param_name"' in line and f'"trial_id":{cut}' in line]
    path.write_text("".join(lines[: drawn[3]]))
    tuned(home, trials=3, epochs=1, precision="auto")
    assert results(home) == results(tmp_path / "whole")
    study = read_journal(home, NAME).study
    given_up = [trial.state == TrialState.FAIL for trial in study.get_trials()]
    assert given_up == [number == cut for number in range(4)]
    assert baseline_trial(study).params == space_of(read_journal(home, NAME)).baseline
    assert len(chosen) == (2 if cut == 0 else 1)


def test_diverged_trial_is_noted_and_search_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.errors import TrainingDivergedError
    from training.tuning import search as module

    whole = study_setup.short_run

    def run(config: RecipeConfig, setup: StudySetup, folder: Path, **options: Any) -> Any:
        if config.network.activation == "gelu":  # type: ignore[union-attr]
            folder.mkdir()
            raise TrainingDivergedError("the loss became nan in step 3 of epoch 1")
        return whole(config, setup, folder, **options)

    monkeypatch.setattr(module, "short_run", run)
    tuned(tmp_path, trials=3, epochs=1)
    trials = finished(read_journal(tmp_path, NAME).study)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE]
    assert "step 3" in trials[1].user_attrs["diverged"]


def test_planned_trials_are_never_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trial, "should_prune", lambda _: True)
    tuned(tmp_path, trials=10, epochs=2)
    journal = read_journal(tmp_path, NAME)
    planned = len(space_of(journal).planned())
    states = [trial.state for trial in finished(journal.study)]
    assert planned < len(states)
    assert states == [TrialState.COMPLETE] * planned + [TrialState.PRUNED] * (len(states) - planned)


@pytest.mark.parametrize("given_up", [0, 1])
def test_confirm_uses_new_seeds_and_fresh_images_once(
    given_up: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.tuning import confirm as module

    ran: list[tuple[int, int]] = []
    whole = study_setup.short_run

    def run(config: RecipeConfig, setup: StudySetup, *arguments: Any, **options: Any) -> Any:
        ran.append((config.seed, len(options["validation"])))
        return whole(config, setup, *arguments, **options)

    monkeypatch.setattr(module, "short_run", run)
    setup = small_bench(tmp_path)
    config = small_recipe("mlp", epochs=1)
    with open_journal(tmp_path, NAME, described(setup, config)) as journal:
        for _ in range(given_up):  # its point was half drawn when the process was killed
            journal.study.ask(dict(list(space_of(journal).dimensions.items())[:3]))
        search(journal, setup, trials=1, progress=StudyProgress())
        confirm(journal, setup, seeds=2, progress=StudyProgress())
        assert read_confirmation(journal.study) is None
        assert ran == []
        point = space_of(journal).planned()[3]
        journal.study.enqueue_trial(point)
        lucky = journal.study.ask(dict(space_of(journal).dimensions))
        journal.study.tell(lucky, 1.0)
        confirm(journal, setup, seeds=2, progress=StudyProgress())
        assert ran == [(1, len(setup.fresh)), (1, len(setup.fresh)), (2, len(setup.fresh)), (2, len(setup.fresh))]
        confirm(journal, setup, seeds=3, progress=StudyProgress())
        assert [seed for seed, _ in ran] == [1, 1, 2, 2, 3, 3]
        found = read_confirmation(journal.study)
    assert found is not None
    assert (found.trial, found.seeds) == (1 + given_up, (1, 2, 3))
    gains = [best - base for best, base in zip(found.best, found.baseline, strict=True)]
    assert found.gain.value == pytest.approx(sum(gains) / 3)


def test_study_setup_separates_share_and_fresh_images() -> None:
    images: Images = small_images()
    setup = make_study_setup(images, 0.5, ModelRepository(Path("a"), Path("b")), threads=1, device=CPU)
    train = setup.images.part("train").images_NHWC.reshape(80, -1)
    fresh = setup.fresh.images_NHWC.reshape(40, -1)
    assert len({image.tobytes() for image in (*train, *fresh)}) == 120
    assert set(setup.images.split.train) < set(images.split.train)
    assert (setup.images.split.validation == images.split.validation).all()
    with pytest.raises(ConfigurationError, match="give a share"):
        make_study_setup(images, 1.0, ModelRepository(Path("a"), Path("b")), threads=1, device=CPU)

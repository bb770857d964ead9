import json
import sys
from functools import partial
from pathlib import Path

import pytest

from core.errors import CheckpointError
from core.recipes import RecipeConfig
from core.repository.champions import promote
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from tests.support.published_pair import PublishedPair, copied_pair
from tests.support.training_runs import RecordingReporter, let_int8_fail, small_recipe, train_version
from training.data.split_dataset import Images
from training.pipeline import train as pipeline
from training.pipeline.repeat_seeds import Goal, Spread, accuracy_goal, spreads, train_seeds, write_report

pytestmark = pytest.mark.slow


def test_spread_of_known_values() -> None:
    spread = Spread((0.1, 0.2, 0.6))
    assert spread.mean == pytest.approx(0.3)
    assert spread.deviation == pytest.approx((0.14 / 2) ** 0.5)
    assert Spread((0.5,)).deviation is None


def test_goal_is_reached_if_the_bound_is_at_least_the_goal() -> None:
    values = (0.941, 0.943, 0.942)  # mean 0.942, t(2) = 2.92, standard error 0.001 / sqrt(3): bound 0.94031
    reached, missed = Goal(0.9403, values), Goal(0.9404, values)
    assert reached.at_least == pytest.approx(0.942 - 2.91999 * 0.001 / 3**0.5, abs=1e-7)
    assert (reached.reached, missed.reached) == (True, False)
    assert reached.sentence == ("Reached 94.03%: mean of 3 seeds 94.20%, at least 94.03% (one-sided 95 % t-bound)")
    assert missed.sentence.startswith("Not shown to reach 94.04%: mean of 3 seeds 94.20%")


@pytest.mark.parametrize(("goal", "side"), [(0.93, "not below"), (0.95, "below")])
def test_goal_with_one_seed_is_never_reached(goal: float, side: str) -> None:
    single = Goal(goal, (0.94,))
    assert (single.at_least, single.reached) == (None, False)
    assert single.sentence.startswith(f"One run: 94.00%, {side} {goal:.2%}. One run gives no confidence bound")


@pytest.mark.full
def test_interrupted_seeds_resume_to_the_same_weights(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_int8_fail(monkeypatch)
    config = small_recipe("mlp", epochs=2)
    stops: dict[int, int | None] = {}
    trained: list[tuple[int, bool]] = []

    def seeds_in(folder: Path, count: int) -> list[Manifest]:
        repository = ModelRepository(folder / "models", folder / "shipped")

        def train(seeded: RecipeConfig, run_folder: Path, resume: bool) -> Manifest:
            trained.append((seeded.seed, resume))
            reporter = RecordingReporter(stop_after=stops.pop(seeded.seed, None))
            return train_version(seeded, images, repository, "mlp", run_folder, reporter=reporter, resume=resume)

        return train_seeds(config, range(count), repository, lambda seed: folder / f"run{seed}", train)

    whole = seeds_in(tmp_path / "whole", 2)
    assert trained == [(0, False), (1, False)]
    trained.clear()
    stops[1] = 1
    with pytest.raises(KeyboardInterrupt):
        seeds_in(tmp_path / "stopped", 2)
    resumed = seeds_in(tmp_path / "stopped", 2)
    assert trained == [(0, False), (1, False), (1, True)]
    weights = [[manifest.files["weights.safetensors"] for manifest in seeds] for seeds in (whole, resumed)]
    assert weights[0] == weights[1]
    assert weights[0][0] != weights[0][1]

    goal = accuracy_goal(0.0, resumed)
    write_report(tmp_path / "made" / "report.json", resumed, goal)
    report = json.loads((tmp_path / "made" / "report.json").read_text())
    accuracies = [manifest.metrics.test_accuracy for manifest in resumed]
    assert goal.values == tuple(accuracies)
    assert report["goal"] == {"accuracy": 0.0, "mean_at_least": goal.at_least, "reached": goal.reached}
    assert report["seeds"] == {"0": "mlp@1", "1": "mlp@2"}
    assert report["figures"]["accuracy from one view"]["values"] == accuracies
    assert report["figures"]["accuracy from one view"]["mean"] == sum(accuracies) / 2
    assert spreads(resumed)["seconds of training"].values == tuple(m.cost.training_seconds for m in resumed)

    config = small_recipe("mlp", epochs=3)
    with pytest.raises(CheckpointError, match=r"mlp@1.*epochs was 2, now 3.*--name"):
        seeds_in(tmp_path / "stopped", 2)


def test_seed_killed_after_publishing_is_not_trained_again(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_int8_fail(monkeypatch)
    repository = ModelRepository(tmp_path / "models", tmp_path / "shipped")
    trained: list[int] = []

    def train(seeded: RecipeConfig, run_folder: Path, resume: bool) -> Manifest:
        trained.append(seeded.seed)
        return train_version(seeded, images, repository, "mlp", run_folder, resume=resume)

    def seeds() -> list[Manifest]:
        config = small_recipe("mlp", epochs=1)
        return train_seeds(config, range(2), repository, lambda seed: tmp_path / f"run{seed}", train)

    with monkeypatch.context() as killed:
        killed.setattr(pipeline, "mark_published", lambda _folder, _reference: sys.exit("killed"))
        with pytest.raises(SystemExit):
            seeds()
    assert repository.versions("mlp") == [1]
    assert [manifest.reference for manifest in seeds()] == ["mlp@1", "mlp@2"]
    assert trained == [0, 1]


@pytest.mark.full
def test_all_seeds_use_the_teacher_of_the_first(
    pair: PublishedPair, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_int8_fail(monkeypatch)
    repository = copied_pair(pair, tmp_path).repository

    def train(config: RecipeConfig, folder: Path, resume: bool, *, stop: int | None = None) -> Manifest:
        reporter = RecordingReporter(stop_after=stop)
        return train_version(config, images, repository, config.network.kind, folder, reporter=reporter, resume=resume)

    def teachers(seeds: int, stop: int | None = None) -> list[str | None]:
        manifests = train_seeds(
            small_recipe("mlp", epochs=2, **{"distillation.teacher": "cnn", "distillation.rounds": 2}),
            range(seeds),
            repository,
            lambda seed: tmp_path / f"run{seed}",
            partial(train, stop=stop),
        )
        return [RecipeConfig.model_validate(manifest.config).distillation.teacher for manifest in manifests]

    train(small_recipe("cnn", epochs=1, seed=1), tmp_path / "cnn", False)
    promote(repository, "cnn", 1, actor="test", reason="teaches")
    with pytest.raises(KeyboardInterrupt):
        teachers(1, stop=1)
    promote(repository, "cnn", 2, actor="test", reason="while the first seed was away")
    assert teachers(1) == ["cnn@1"]
    assert teachers(2) == ["cnn@1", "cnn@1"]

"""The augmentation study, on small made-up images."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import CheckpointError, ConfigurationError, LowDiskError
from core.files.home import MIB
from core.recipes import RecipeConfig, recipe_config
from core.records.studies import TaughtBy
from core.repository.manifest import FileRecord
from core.repository.repository import ModelRepository
from tests.support.disks import let_disks_have
from tests.support.training_runs import CPU, small_images, small_recipe
from tests.support.versions import make_manifest, write_version
from training.export.weights import WEIGHTS_NAME
from training.fit.distillation import Teacher
from training.pipeline.train import new_classifier
from training.tuning.ablation import augmentation, study_setup
from training.tuning.ablation.augmentation import (
    STEPS,
    Run,
    Study,
    cells,
    changed_settings,
    read_study,
    run_study,
    step_config,
    strengths,
)
from training.tuning.ablation.augmentation_report import figure, write_report
from training.tuning.ablation.progress import StudyProgress
from training.tuning.ablation.study_setup import StudySetup, make_study_setup


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> StudySetup:
    folder = tmp_path_factory.mktemp("bench")
    repository = ModelRepository(folder / "models", folder / "shipped")
    return make_study_setup(small_images(), 0.5, repository, threads=1, device=CPU)


def made_up(accuracy_of: dict[tuple[str, int], float], recipe: str = "mlp_labels") -> list[Run]:
    configs = {step: step_config(recipe_config(recipe), step, "teacher@1").model_dump(mode="json") for step in STEPS}
    return [Run(recipe, step, seed, accuracy, 1.0, configs[step]) for (step, seed), accuracy in accuracy_of.items()]


A_TEACHER = TaughtBy(reference="teacher@1", recipe="cnn_fast", weights="f" * 64, test_accuracy=0.9145)


def study_of(runs: list[Run], teacher: TaughtBy | None = None) -> Study:
    return Study("d" * 64, "e" * 64, 8000, teacher, runs)


def test_last_step_distills_like_the_recipe() -> None:
    asked = {"temperature": 2.0, "weight": 0.7, "hint_weight": 0.3}
    config = recipe_config("mlp_labels").with_overrides({f"distillation.{name}": each for name, each in asked.items()})
    learnt = step_config(config, "+ distillation", "cnn@1").distillation
    assert learnt.model_dump(include=set(asked)) == asked
    assert learnt.teacher == "cnn@1"


@pytest.mark.parametrize("recipe", ["mlp_labels", "cnn_fast", "cnn_best"])
def test_each_step_adds_one_augmentation_of_the_recipe(recipe: str) -> None:
    config = recipe_config(recipe)
    own = config.augmentation
    configs = [step_config(config, step, "cnn@1") for step in STEPS]
    assert not configs[0].augmentation.flip
    assert {each.augmentation.outliers for each in configs} == {0}
    added = [set(old.differences(new)) - {"augmentation.alternate"} for old, new in itertools.pairwise(configs)]
    assert added == [
        {"augmentation.flip"},
        {"augmentation.translate"},
        {"augmentation.cutout"},
        {"augmentation.mixup"},
        {"distillation.teacher"},
    ]
    assert configs[2].augmentation.translate == own.translate
    assert configs[3].augmentation.cutout == (own.cutout or 8)
    assert configs[4].augmentation.mixup == (own.mixup or 0.5)
    assert set(config.differences(configs[4])) <= {
        "augmentation.rotate", "augmentation.stretch", "augmentation.cutout", "augmentation.mixup",
        "augmentation.outliers", "distillation.rounds",
    }  # fmt: skip


def test_study_resumes_and_keeps_finished_runs(
    setup: StudySetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, int]] = []
    whole = study_setup.short_run

    def run(config: RecipeConfig, *arguments: Any, **options: Any) -> Any:
        if len(ran) == 3:
            raise KeyboardInterrupt
        ran.append((config.recipe, config.seed))
        return whole(config, *arguments, **options)

    recipes = [small_recipe(kind, epochs=1, **{"augmentation.mixup": 0.3}) for kind in ("mlp", "cnn")]

    def study(configs: list[RecipeConfig]) -> list[Run]:
        return run_study(configs, 2, setup, tmp_path, teacher=None, progress=StudyProgress()).runs

    monkeypatch.setattr(augmentation, "short_run", run)
    with pytest.raises(KeyboardInterrupt):
        study(recipes)
    stored = json.loads((tmp_path / "results.json").read_text())["runs"]
    assert [run["step"] for run in stored] == ["none", "+ flip", "+ translate"]
    monkeypatch.setattr(augmentation, "short_run", whole)
    runs = study(recipes)
    assert len(runs) == 2 * 2 * 5
    assert [run.accuracy for run in runs[:3]] == [run["accuracy"] for run in stored]
    assert {(run.recipe, run.seed) for run in runs} == {(r.recipe, seed) for r in recipes for seed in (0, 1)}
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(augmentation, "short_run", run)
    assert study(recipes) == runs
    assert study(recipes[:1]) == [run for run in runs if run.recipe == recipes[0].recipe]
    assert len(read_study(tmp_path).runs) == len(runs)
    with pytest.raises(ConfigurationError, match=r"batch_size was 50, now 60.*another --name"):
        study([recipe.with_overrides({"batch_size": 60}) for recipe in recipes])
    other = make_study_setup(small_images(), 0.4, setup.repository, threads=1, device=CPU)
    with pytest.raises(ConfigurationError, match="other images"):
        run_study(recipes, 2, other, tmp_path, teacher=None, progress=StudyProgress())


def test_unsuitable_teacher_is_refused_before_training(
    setup: StudySetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augmentation, "short_run", lambda *_arguments, **_options: pytest.fail("a run was begun"))
    repository = ModelRepository(tmp_path / "models", tmp_path / "shipped")
    seen = {"digest": setup.images.dataset.digest, "trained_on": ("train", "validation")}
    write_version(repository.home_models / "cnn" / "1", data=make_manifest().data.model_copy(update=seen))
    with pytest.raises(ConfigurationError, match="cnn@1 cannot teach this run"):
        run_study(
            [small_recipe("mlp")], 2, dataclasses.replace(setup, repository=repository), tmp_path / "study",
            teacher="cnn@1", progress=StudyProgress(),
        )  # fmt: skip
    assert not (tmp_path / "study").exists()


def test_resumed_study_keeps_its_teacher(setup: StudySetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "short_run", lambda *_arguments, **_options: pytest.fail("a run was begun"))
    weights = FileRecord(bytes=1, sha256="a" * 64)
    another = make_manifest("teacher", files={WEIGHTS_NAME: weights})
    network = new_classifier(small_recipe("mlp"), setup.images)
    monkeypatch.setattr(augmentation, "read_teachers", lambda *_arguments: (Teacher(another, network),))
    split, digest = setup.images.split.digest, setup.images.dataset.digest
    stored = dataclasses.asdict(Study(digest, split, 8, None, [])) | {"teacher": A_TEACHER.model_dump(mode="json")}
    (tmp_path / "results.json").write_text(json.dumps(stored))
    with pytest.raises(ConfigurationError, match=r"started with a teacher@1 of other weights.*another --name"):
        run_study([small_recipe("mlp")], 2, setup, tmp_path, teacher="teacher@1", progress=StudyProgress())
    assert json.loads((tmp_path / "results.json").read_text()) == stored


def test_results_of_another_release_are_kept_and_named(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text(text := json.dumps({"data_digest": "d", "split_digest": "e", "runs": []}))
    with pytest.raises(CheckpointError, match=r"of another release.*move it away, or give another --name"):
        read_study(tmp_path)
    assert results.read_text() == text


def test_study_without_disk_space_is_refused(
    setup: StudySetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augmentation, "short_run", lambda *_arguments, **_options: pytest.fail("a run was begun"))
    let_disks_have(monkeypatch, 255 * MIB)
    with pytest.raises(LowDiskError, match="a study needs 256 MiB"):
        run_study([small_recipe("mlp")], 2, setup, tmp_path, teacher=None, progress=StudyProgress())


def test_differences_are_paired_by_seed() -> None:
    runs = made_up({("none", 0): 0.50, ("none", 1): 0.60, ("+ flip", 0): 0.52, ("+ flip", 1): 0.62})
    none, flip = cells(runs)
    assert none.difference is None
    assert none.accuracy.value == pytest.approx(0.55)
    assert none.accuracy.low < 0
    assert flip.difference is not None
    assert [flip.difference.low, flip.difference.high] == pytest.approx([0.02, 0.02])


def test_incomplete_seed_is_left_out() -> None:
    runs = made_up({("none", 0): 0.5, ("none", 1): 0.6, ("none", 2): 0.9, ("+ flip", 0): 0.5, ("+ flip", 1): 0.6})
    assert cells(runs)[0].accuracies == (0.5, 0.6)
    with pytest.raises(ConfigurationError, match="1 complete seeds"):
        cells(made_up({("none", 0): 0.5, ("none", 1): 0.6, ("+ flip", 0): 0.5}))


def test_report_names_overrides_of_the_study(tmp_path: Path) -> None:
    config = recipe_config("cnn_fast").with_overrides({"network.channels": [8, 16, 16], "epochs": 3, "seed": 1})
    run = Run("cnn_fast", "none", 1, 0.5, 1.0, step_config(config, "none").model_dump(mode="json"))
    assert changed_settings(run) == {"network.channels": "[8, 16, 16]"}
    stronger = step_config(config.with_overrides({"augmentation.translate": 6}), "+ translate")
    shifted = Run("cnn_fast", "+ translate", 1, 0.5, 1.0, stronger.model_dump(mode="json"))
    assert changed_settings(shifted) == {"augmentation.translate": "6", "network.channels": "[8, 16, 16]"}
    assert strengths(study_of([run, shifted]), "cnn_fast") == {"translate": "6"}
    runs = [run, dataclasses.replace(run, seed=0)]
    text = write_report(tmp_path, study_of(runs)).read_text()
    assert "teacher" not in text
    assert "cnn_fast 3 epochs (network.channels [8, 16, 16]), all on" in text


def test_report_has_a_row_and_a_point_per_step(tmp_path: Path) -> None:
    runs = []
    for recipe in ("mlp_labels", "cnn_fast"):
        runs += made_up(
            {(step, seed): 0.5 + 0.01 * rank + 0.001 * seed for rank, step in enumerate(STEPS) for seed in range(3)},
            recipe,
        )
    text = write_report(tmp_path, study_of(runs, A_TEACHER)).read_text()
    assert "mlp_labels 330 epochs (translate 3, cutout 8, mixup 1.0), cnn_fast 21 epochs (translate 4" in text
    assert "all on the same 8,000 training images" in text
    assert "The teacher is teacher@1 (cnn_fast, 91.45% test accuracy)." in text
    assert (
        "| cnn_fast | + cutout | 53.10% | 52.85% to 53.35% | +1.00 (+1.00 to +1.00) | 53.00%, 53.10%, 53.20% |" in text
    )
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 50_000
    axes = figure(cells(runs)).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(STEPS)
    line = axes.get_lines()[0]
    assert np.asarray(line.get_ydata()) == pytest.approx([0.501 + 0.01 * rank for rank in range(6)])

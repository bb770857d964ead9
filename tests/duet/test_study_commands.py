"""`duet tune` and `duet study`, on small synthetic images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.recipes import RECIPES, recipe_config
from tests.support.duet_command import Duet
from tests.support.training_runs import small_images
from tests.support.versions import make_manifest, write_version
from training.pipeline import requests
from training.tuning.space import space_for

SMALL = ("--epochs", "1", "--threads", "1", "--set", "batch_size=50", "--set", "precision=float32")


pytestmark = pytest.mark.usefixtures("exported_once")


@pytest.fixture(autouse=True)
def small_data(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 is 200 synthetic images, and cnn@1 was trained on its validation images."""
    images = small_images()
    seen = {"digest": images.dataset.digest, "trained_on": ("train", "validation")}
    write_version(tmp_path / "shipped" / "cnn" / "1", data=make_manifest().data.model_copy(update=seen))
    monkeypatch.setattr(requests, "load_images", lambda *_, **__: images)


@pytest.mark.slow
def test_tune_confirms_and_reports(duet: Duet, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ("--set", "network.hidden=[16,16]", *SMALL, "--set", "epochs=4")
    assert duet("tune", "mlp_baseline", "--trials", "6", "--confirm", "2", *small) == 0
    assert "duet tune mlp_baseline --report" in capsys.readouterr().out
    assert duet("tune", "mlp_baseline", "--report") == 0
    page = home / "studies" / "mlp_baseline" / "report" / "README.md"
    assert f"written to {page}" in capsys.readouterr().out
    assert page.read_text().startswith("# Tuning of mlp_baseline\n\n6 trials of 4 epochs")
    assert duet("tune", "mlp_baseline", "--trials", "7", "--share", "0.4", *small) == 1
    assert "share was 0.5, now 0.4" in capsys.readouterr().err


@pytest.mark.full
def test_augmentation_study_writes_its_table(duet: Duet, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert duet("study", "augmentation", "--recipe", "mlp_baseline", "--seeds", "2", *SMALL) == 0
    page = home / "studies" / "augmentation" / "README.md"
    assert f"written to {page}" in capsys.readouterr().out
    assert page.read_text().count("| mlp_baseline |") == 5


@pytest.mark.slow
def test_settings_study_compares_changes_and_resumes(
    duet: Duet, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("study", "settings", "mlp_baseline", "--try", "augmentation.flip=true augmentation.translate=1", *SMALL)
    small = ("--set", "network.hidden=[16]")
    assert not duet(*command, *small)
    page = home / "studies" / "settings" / "README.md"
    assert f"written to {page}" in capsys.readouterr().out
    rows = [line for line in page.read_text().splitlines() if "%" in line and line.startswith("|")]
    assert [row.split(" | ")[0] for row in rows] == [
        "| mlp_baseline",
        "| `augmentation.flip=true augmentation.translate=1`",
    ]
    assert all(row.count("%") == 3 for row in rows)
    results = page.with_name("results.json")
    before = results.read_bytes()
    runs = json.loads(before)["runs"]
    assert [run["config"]["augmentation"]["translate"] for run in runs] == [2, 1]
    assert all(0 <= run[name] <= 1 for run in runs for name in ("accuracy", "corrupted_accuracy", "flag_rate"))
    assert not duet(*command, *small)
    assert results.read_bytes() == before
    assert duet(*command, "--set", "network.hidden=[17]") == 1
    assert "network.hidden was [16], now [17]" in capsys.readouterr().err.replace("(", "[").replace(",)", "]")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ("tune", "mlp_bset"),
            "unknown recipe 'mlp_bset' (did you mean 'mlp_best'?): available recipes are cnn_baseline, cnn_best",
        ),
        (("tune", "mlp_labels", "--confirm", "1"), "--confirm 2 or more"),
        (("tune", "mlp_labels", "--report"), "unknown study 'mlp_labels'"),
        (("tune", "mlp_labels", "--study", "../x", "--report"), "cannot name a study"),
        (("tune", "mlp_labels", "--share", "1"), "give a share in (0, 0.9]"),
        (("tune", "mlp_labels", "--set", "include_validation=true"), "leave include_validation false"),
        (("study", "augmentation", "--set", "include_validation=true"), "leave include_validation false"),
        (("study", "augmentation", "--recipe", "nonsense"), "unknown recipe 'nonsense'"),
        (("study", "augmentation", "--teacher", "cnn@9"), "unknown version 9 of cnn"),
        (
            ("study", "augmentation", "--set", "augmentation.rotate=30"),
            "control augmentation.rotate: remove that setting",
        ),
        (
            ("study", "augmentation", "--set", "augmentation.flip=false"),
            "control augmentation.flip: remove that setting",
        ),
        (("study", "augmentation", "--set", "distillation.teacher=cnn@1"), "--teacher sets the teacher"),
        (
            ("study", "augmentation", "--set", "augmentation.augmix=0.3"),
            "control augmentation.augmix: remove that setting",
        ),
        (("study", "augmentation", "--set", "init_from=cnn@1"), "remove init_from=cnn@1"),
        (("study", "settings", "mlp_labels", "--try", "include_validation=true"), "leave include_validation false"),
        (("study", "settings", "mlp_labels", "--try", "augmentation.flop=1"), "unknown setting 'augmentation.flop'"),
        (("tune", "mlp_labels", "--set", "init_from=mlp@1"), "remove init_from=mlp@1"),
        (("study", "augmentation", "--teacher", "cnn@1", *SMALL), "cnn@1 cannot teach this run"),
        (("tune", "mlp_baseline", "--set", "distillation.teacher=cnn@1", *SMALL), "cnn@1 cannot teach this run"),
    ],
)
def test_invalid_study_arguments_are_one_line(
    duet: Duet,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    problem: str,
) -> None:
    assert duet(*arguments) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("duet: ")
    assert problem in error
    assert not (home / "studies").exists()


def test_tune_help_states_the_number_of_planned_trials(duet: Duet, capsys: pytest.CaptureFixture[str]) -> None:
    assert duet("tune", "--help") == 0
    assert "8 or 9 planned trials, 13 for a whitened network" in " ".join(capsys.readouterr().out.split())
    for recipe in RECIPES.keys() - {"photo"}:
        config = recipe_config(recipe)
        assert len(space_for(config).planned()) in ((13,) if "whitening" in space_for(config).dimensions else (8, 9))

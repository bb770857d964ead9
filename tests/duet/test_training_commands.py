"""`duet train`, `evaluate`, `export` and `repeat`, on small synthetic images."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from core.repository.champions import history
from core.repository.evaluation import read_evaluation
from core.repository.repository import ModelRepository
from tests.support.duet_command import Duet, interrupt
from tests.support.labelled_folders import write_labelled_folder
from tests.support.training_runs import let_int8_fail, let_int8_pass, small_images
from training.data.split_dataset import Images
from training.pipeline import requests
from training.run.reporter import ConsoleReporter

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("exported_once")]

SMALL = (
    "--set", "epochs=1", "--set", "batch_size=50", "--set", "network.hidden=[16]", "--set", "precision=float32",
    "--threads", "1",
)  # fmt: skip
FAMILY = ("--family", "colours")


@pytest.fixture(scope="module")
def images() -> Images:
    return small_images()


@pytest.fixture
def small_data(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 is 200 synthetic images."""
    monkeypatch.setattr(requests, "load_images", lambda *_, **__: images)


@pytest.fixture
def folders(home: Path) -> Path:
    """Own data sets: one that can be trained on, and one that is too small."""
    write_labelled_folder(home, "colours", {"night": 8, "grass": 9})
    write_labelled_folder(home, "few", {"night": 8, "grass": 1})
    return home / "datasets"


@pytest.mark.parametrize("name", ["DUET_GATE", "DUET_PORT", "DUET_MAX_PIXELS"])
def test_invalid_setting_is_noticed_before_the_training(
    duet: Duet, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "nonsense")
    assert duet("train", "mlp_baseline", *SMALL) == 1
    assert name in capsys.readouterr().err
    assert not (home / "runs").exists()


@pytest.mark.full
@pytest.mark.usefixtures("small_data")
def test_version_is_trained_evaluated_and_exported(
    duet: Duet, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted run is not overwritten. The first version is promoted; the second is not better."""
    let_int8_pass(monkeypatch)
    run = home / "runs" / "mlp_baseline-seed0"
    run.mkdir(parents=True)
    (run / "checkpoint.pt").write_bytes(b"half a checkpoint")
    assert duet("train", "mlp_baseline", *SMALL) == 1
    assert "--restart" in capsys.readouterr().err
    assert duet("train", "mlp_baseline", "--resume", "--restart", *SMALL) == 1
    assert "use one of them" in capsys.readouterr().err

    assert duet("train", "mlp_baseline", "--restart", *SMALL) == 0
    assert "mlp@1 is now the champion" in capsys.readouterr().out
    assert duet("train", "mlp_baseline", "--seed", "1", *SMALL) == 0
    out = capsys.readouterr().out
    assert "mlp@2 may not replace mlp@1: it is neither significantly more accurate, nor cheaper or" in out
    assert "not served yet: duet models promote mlp@2 --reason WHY --force" in out
    repository = ModelRepository.open()
    assert (repository.versions("mlp"), repository.champion("mlp")) == ([1, 2], 1)
    assert [entry.reason for entry in history(repository, "mlp")] == ["trained with --promote if_better"]

    written = home / "again.json"
    assert duet("evaluate", "mlp@2", "--out", str(written)) == 0
    out = capsys.readouterr().out
    assert "reproduces its evaluation.json" in out
    assert json.loads(written.read_text())["data"]["images"] == 50
    titles = [line.strip() for line in out.splitlines() if " on 50 test images of cifar10" in line]
    assert titles == [f"mlp@2 in {precision} on 50 test images of cifar10" for precision in ("fp32", "int8")]
    scores = read_evaluation(repository.folder("mlp", 2)).scores
    accuracies = [line.split(" (")[0] for line in out.splitlines() if line.startswith("accuracy")]
    assert accuracies == [f"accuracy {scores[precision].accuracy.value:.2%}" for precision in scores]

    assert duet("export", "mlp@2") == 0
    assert repository.manifest("mlp", 3).derived_from == "mlp@2"


@pytest.mark.usefixtures("small_data")
def test_interrupted_training_prints_the_command_that_resumes_it(
    duet: Duet, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let_int8_fail(monkeypatch)
    words = ("train", "mlp_baseline", *SMALL, "--set", "epochs=3", "--restart")
    with monkeypatch.context() as patched:
        patched.setattr(ConsoleReporter, "epoch", interrupt)
        assert duet(*words) == 130
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("interrupted:")]
    command = line.partition("resume with: ")[2]
    assert shlex.split(command) == ["duet", *words[:-1], "--resume"]
    assert duet(*shlex.split(command)[1:]) == 0
    assert ModelRepository.open().versions("mlp") == [1]


@pytest.mark.usefixtures("small_data")
def test_training_interrupted_before_its_first_epoch_starts_over(
    duet: Duet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ConsoleReporter, "fit_started", interrupt)
    assert duet("train", "mlp_baseline", *SMALL) == 130
    command = shlex.join(["duet", "train", "mlp_baseline", *SMALL])
    assert f"nothing to resume; start over with: {command}" in capsys.readouterr().err


@pytest.mark.usefixtures("small_data")
def test_repeat_publishes_and_reports_each_seed_once(
    duet: Duet, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let_int8_fail(monkeypatch)
    assert duet("repeat", "mlp_baseline", "--seeds", "1", *SMALL) == 0
    capsys.readouterr()
    assert duet("repeat", "mlp_baseline", "--seeds", "2", "--goal", "0.999", *SMALL) == 0
    out = " ".join(capsys.readouterr().out.split())
    repository = ModelRepository.open()
    assert (repository.versions("mlp"), repository.champion("mlp")) == ([1, 2], None)
    manifests = [repository.manifest("mlp", version) for version in (1, 2)]
    assert [manifest.seed for manifest in manifests] == [0, 1]
    accuracies = [manifest.metrics.test_accuracy for manifest in manifests]
    assert all(f"{accuracy:.5g}" in out for accuracy in accuracies)
    report = home / "runs" / "mlp_baseline.json"
    assert f"written to {report}" in out
    assert "Not shown to reach 99.90%: mean of 2 seeds" in out
    assert json.loads(report.read_text())["goal"]["reached"] is False
    assert json.loads(report.read_text())["figures"]["accuracy from one view"]["values"] == accuracies


@pytest.mark.usefixtures("small_data")
def test_dry_run_describes_the_run_and_writes_nothing(
    duet: Duet, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("train", "cnn_baseline", "--dry-run", "--set", "network.channels=[8]") == 0
    out = capsys.readouterr().out
    assert "would train on 160 images of cifar10" in out
    assert "'channels': (8,)" in out
    assert not home.exists()


def test_dry_run_on_a_folder_reads_its_images(
    duet: Duet, home: Path, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "colours" / "night" / "notes.txt").write_bytes(b"no image")
    assert duet("train", "mlp_baseline", "--data", "folder:colours", *FAMILY, "--image-size", "16", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "17 images used, 1 files left out: night/notes.txt" in out
    assert "images of folder:colours" in out
    assert "'image_size': 16" in out
    assert str(home / "runs" / "mlp_baseline-colours-seed0") in out
    assert not (home / "models").exists()


def test_automatic_image_size_is_explained(duet: Duet, folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--data", "folder:colours", *FAMILY, "--image-size", "auto", "--dry-run")
    assert duet("train", "cnn_baseline", *words, "--set", "network.channels=[8]") == 0
    out = capsys.readouterr().out
    assert "image size 32: the shorter side of 90% of " in out
    assert "'image_size': 32" in out
    assert re.search(r"estimated time for \d+ epochs: about \d+ (s|minutes)\n", out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("resnet",), "unknown recipe 'resnet': available recipes are cnn_baseline, "),
        (("mlp_baseline", "--set", "epoch=3"), "unknown setting 'epoch'"),
        (("mlp_baseline", "--set", "epochs"), "not of the form key=value"),
        (("mlp_baseline", "--set", "epochs=-1"), "epochs: Input should be greater than 0"),
        (("mlp_baseline", "--resume"), "nothing to resume"),
        (("mlp_baseline", "--run", "../x"), "is not a valid run name"),
        (("mlp_baseline", "--family", "Not A Name", *SMALL), "is not a valid family name"),
    ],
)
@pytest.mark.usefixtures("small_data")
def test_invalid_arguments_are_one_line(
    duet: Duet, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("train", *words) == 1
    assert message in _error_line(capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "folder:colours"), "name a family to publish under"),
        (("--data", "folder:../colours", *FAMILY), "'../colours' is not a valid data set name"),
        (("--data", "folder:cifar10", *FAMILY), "is the name of a built-in data set"),
        (("--data", "folder:nope", *FAMILY), "unknown data set 'nope'"),
        (("--data", "folder:nope", *FAMILY), "available data sets are colours, few"),
        (("--data", "folder:few", *FAMILY), "class 'grass' has 1 image and needs at least 2"),
        (("--data", "colours", *FAMILY), "use cifar10, or folder:NAME"),
        (("--data", "folder:colours", *FAMILY, "--image-size", "4"), "image_size: Input should be greater than"),
        (("--data", "folder:colours", *FAMILY, "--image-size", "big"), "give a number of pixels, or auto"),
        (("--family", "c", "--image-size", "auto"), "--image-size auto needs a folder"),
        (("--data", "folder:colours", *FAMILY, "--init-from", "cnn@3"), "unknown model 'cnn'"),
    ],
)
@pytest.mark.usefixtures("folders")
def test_invalid_data_is_one_line(
    duet: Duet, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("train", "mlp_baseline", *words) == 1
    assert message in _error_line(capsys)


def test_missing_cifar10_is_an_error_with_advice(
    duet: Duet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DUET_DATA_DIR", raising=False)
    assert duet("train", "mlp_baseline") != 0
    assert "--download" in capsys.readouterr().err


def _error_line(capsys: pytest.CaptureFixture[str]) -> str:
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("duet: ")]
    return line

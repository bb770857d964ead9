"""`duet train`, `duet evaluate` and `duet export`, on small synthetic images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.repository.champions import history
from core.repository.evaluation import read_evaluation
from core.repository.repository import ModelRepository
from tests.support.duet_command import Duet, duet_command
from tests.support.int8 import let_int8_fail, let_int8_pass
from tests.support.training_runs import small_images
from training.data.split_dataset import Images
from training.pipeline import requests

pytestmark = pytest.mark.slow

SMALL = (
    "--set", "epochs=2", "--set", "batch_size=50", "--set", "network.hidden=[16]", "--set", "precision=float32",
    "--threads", "1",
)  # fmt: skip


@pytest.fixture(scope="module")
def images() -> Images:
    return small_images()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DUET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path / "shipped"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


@pytest.fixture
def duet(home: Path, images: Images, monkeypatch: pytest.MonkeyPatch) -> Duet:
    monkeypatch.setattr(requests, "load_images", lambda *_, **__: images)

    return duet_command(monkeypatch)


def test_the_first_version_of_a_family_is_served_and_the_next_waits(
    duet: Duet, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("train", "mlp_baseline", *SMALL) == 0
    repository = ModelRepository.open()
    assert repository.champion("mlp") == 1
    assert "mlp@1 is now the champion" in capsys.readouterr().out
    assert duet("train", "mlp_baseline", "--seed", "1", *SMALL) == 0
    told = capsys.readouterr().out
    assert "mlp@2 may not replace mlp@1: it is neither significantly more accurate, nor cheaper" in told
    assert "not served yet: duet models promote mlp@2 --reason WHY --force" in told
    assert (repository.versions("mlp"), repository.champion("mlp")) == ([1, 2], 1)
    assert duet("train", "mlp_baseline", "--seed", "2", "--promote", "always", *SMALL) == 0
    assert repository.champion("mlp") == 3
    assert [entry.reason for entry in history(repository, "mlp")] == [
        "trained with --promote if_better",
        "trained with --promote always",
    ]

    assert duet("evaluate", "mlp@2") == 0
    assert "reproduces its evaluation.json" in capsys.readouterr().out
    out = home / "again.json"
    assert duet("evaluate", "mlp", "--out", str(out)) == 0
    assert json.loads(out.read_text())["data"]["images"] == 50

    assert duet("export", "mlp@2") == 0
    assert repository.manifest("mlp", 4).derived_from == "mlp@2"


def test_evaluating_prints_a_table_for_each_precision(
    duet: Duet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for family, decide, precisions in (("fast", let_int8_pass, ["fp32", "int8"]), ("slow", let_int8_fail, ["fp32"])):
        decide(monkeypatch)
        assert duet("train", "mlp_baseline", "--family", family, *SMALL) == 0
        capsys.readouterr()
        assert duet("evaluate", family) == 0
        lines = capsys.readouterr().out.splitlines()
        titles = [line.strip() for line in lines if " on 50 test images of cifar10" in line]
        assert titles == [f"{family}@1 in {precision} on 50 test images of cifar10" for precision in precisions]
        scores = read_evaluation(ModelRepository.open().folder(family, 1)).scores
        accuracies = [line.split(" (")[0] for line in lines if line.startswith("accuracy")]
        assert accuracies == [f"accuracy {scores[precision].accuracy.value:.2%}" for precision in scores]


def test_evaluating_a_changed_version_fails_and_names_the_file(duet: Duet, capsys: pytest.CaptureFixture[str]) -> None:
    assert duet("train", "mlp_baseline", "--family", "tiny", *SMALL) == 0
    path = ModelRepository.open().folder("tiny", 1) / "evaluation.json"
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"log_loss": ', '"log_loss": 1'))
    assert duet("evaluate", "tiny") == 1
    assert "evaluation.json" in capsys.readouterr().err


def test_a_dry_run_says_what_would_happen_and_writes_nothing(
    duet: Duet, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("train", "cnn_baseline", "--dry-run", "--set", "network.channels=[8]") == 0
    out = capsys.readouterr().out
    assert "would train on 160 images of cifar10" in out
    assert "'channels': (8,)" in out
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("resnet",), "no recipe 'resnet': there are cnn_baseline, "),
        (("mlp_baseline", "--set", "epoch=3"), "no setting 'epoch'"),
        (("mlp_baseline", "--set", "epochs"), "not of the form key=value"),
        (("mlp_baseline", "--set", "epochs=-1"), "epochs: Input should be greater than 0"),
        (("mlp_baseline", "--resume"), "nothing to resume"),
        (("mlp_baseline", "--run", "../x"), "is not a valid run name"),
        (("mlp_baseline", "--family", "Not A Name", *SMALL), "is not a valid family name"),
    ],
)
def test_bad_words_are_answered_with_one_clear_line(
    duet: Duet, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("train", *words) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("duet: ")]
    assert len(lines) == 1
    assert message in lines[0]


def test_an_interrupted_run_is_not_overwritten(duet: Duet, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = home / "runs" / "mlp_baseline-seed0"
    run.mkdir(parents=True)
    (run / "checkpoint.pt").write_bytes(b"half a checkpoint")
    assert duet("train", "mlp_baseline", *SMALL) == 1
    assert "--restart" in capsys.readouterr().err
    assert duet("train", "mlp_baseline", "--resume", "--restart", *SMALL) == 1
    assert "give one of them" in capsys.readouterr().err
    assert duet("train", "mlp_baseline", "--restart", *SMALL) == 0


def test_without_data_it_says_what_to_do(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DUET_DATA_DIR", raising=False)
    assert duet_command(monkeypatch)("train", "mlp_baseline") != 0
    assert "--download" in capsys.readouterr().err

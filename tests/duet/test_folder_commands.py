"""`duet train --data folder:NAME` and `--init-from`: invalid arguments and the dry run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.duet_command import Duet, duet_command
from tests.support.labelled_folders import write_labelled_folder

pytestmark = pytest.mark.slow

FAMILY = ("--family", "colours")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DUET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path / "shipped"))
    monkeypatch.setenv("COLUMNS", "200")
    write_labelled_folder(tmp_path / "home", "colours", {"night": 8, "grass": 9})
    write_labelled_folder(tmp_path / "home", "few", {"night": 8, "grass": 1})
    return tmp_path / "home"


@pytest.fixture
def duet(home: Path, monkeypatch: pytest.MonkeyPatch) -> Duet:
    return duet_command(monkeypatch)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "folder:colours"), "name a family to publish under"),
        (("--data", "folder:../colours", *FAMILY), "'../colours' is not a valid data set name"),
        (("--data", "folder:cifar10", *FAMILY), "is the name of a built-in data set"),
        (("--data", "folder:nope", *FAMILY), "no data set 'nope'"),
        (("--data", "folder:nope", *FAMILY), "existing data sets: colours, few"),
        (("--data", "folder:few", *FAMILY), "class 'grass' has 1 image and needs at least 4"),
        (("--data", "colours", *FAMILY), "use cifar10, or folder:NAME"),
        (("--data", "folder:colours", *FAMILY, "--image-size", "4"), "image_size: Input should be greater than"),
        (("--data", "folder:colours", *FAMILY, "--init-from", "cnn@3"), "no model family 'cnn'"),
    ],
)
def test_what_cannot_be_trained_on_is_answered_with_one_clear_line(
    duet: Duet, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("train", "mlp_baseline", *words) == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("duet: ")]
    assert message in line


def test_a_dry_run_reads_the_images_and_says_what_would_happen(
    duet: Duet, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "datasets" / "colours" / "night" / "notes.txt").write_bytes(b"no image")
    words = ("--data", "folder:colours", *FAMILY, "--image-size", "16", "--dry-run")
    assert duet("train", "mlp_baseline", *words) == 0
    out = capsys.readouterr().out
    assert "17 images used, 1 files left out: night/notes.txt" in out
    assert "images of folder:colours" in out
    assert "'image_size': 16" in out
    assert str(home / "runs" / "mlp_baseline-colours-seed0") in out
    assert not (home / "models").exists()

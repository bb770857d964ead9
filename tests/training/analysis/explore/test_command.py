from __future__ import annotations

from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from core.errors import DataError
from duet.commands.explore import explore
from tests.support.cifar_files import small_dataset
from training.data import load as catalog
from training.data.types import ImageDataset


def run(*arguments: str) -> str:
    app = Typer()
    app.command()(explore)
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def load(data_dir: Path | None = None, *, download: bool = False) -> ImageDataset:
        assert (data_dir, download) == (tmp_path / "data", True)
        return small_dataset()

    monkeypatch.setattr(catalog, "DATASETS", {"small": load})
    monkeypatch.setattr("training.analysis.explore.explore.png", lambda _: b"")
    monkeypatch.setenv("DUET_HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("_small")
def test_explore_writes_to_the_home_folder(tmp_path: Path) -> None:
    printed = run("--data", "small", "--data-dir", str(tmp_path / "data"), "--download")
    page = tmp_path / "home" / "explore" / "small" / "index.html"
    assert page.is_file()
    assert str(page) in printed
    assert "160 train, 20 validation, 20 holdout, 50 test images of 32x32 pixels, 10 classes" in printed
    run("--data", "small", "--data-dir", str(tmp_path / "data"), "--download", "--out", str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere" / "explore.json").is_file()


def test_explore_unknown_data_set_lists_the_known() -> None:
    with pytest.raises(DataError, match="use cifar10"):
        run("--data", "mnist")

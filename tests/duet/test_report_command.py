"""`duet report`, on two small versions of synthetic images."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.duet_command import Duet, duet_command
from tests.support.published_pair import PublishedPair, copied_pair, published_pair
from training.pipeline import requests

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PublishedPair]:
    home = tmp_path_factory.mktemp("home")
    return home, copied_pair(published_pair(tmp_path_factory), home)


@pytest.fixture
def duet(published: tuple[Path, PublishedPair], monkeypatch: pytest.MonkeyPatch) -> Duet:
    home, pair = published
    monkeypatch.setenv("DUET_HOME", str(home))
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(home / "shipped"))
    monkeypatch.setattr(requests, "load_images", lambda *_, **__: pair.images)

    return duet_command(monkeypatch)


def test_a_version_without_stored_predictions_is_one_line(
    duet: Duet,
    published: tuple[Path, PublishedPair],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, pair = published
    path = pair.folder(pair.cnn) / "predictions.npz"
    monkeypatch.setattr(
        "core.repository.repository.ModelRepository.verify", lambda self, *version: self.manifest(*version)
    )
    hidden = path.rename(home / "hidden.npz")
    try:
        assert duet("report", "mlp@1", "cnn@1", "--quick", "--threads", "1") == 1
    finally:
        hidden.rename(path)
    assert "has no predictions.npz; publish the version again with `duet export`" in capsys.readouterr().err
    assert not (home / "report").exists()


def test_docs_need_a_checkout(duet: Duet, capsys: pytest.CaptureFixture[str]) -> None:
    assert duet("report", "--docs") == 1
    assert "--docs needs a checkout of the project" in capsys.readouterr().err


def test_a_quick_look_takes_no_full_records_place(duet: Duet, capsys: pytest.CaptureFixture[str]) -> None:
    assert duet("report", "--docs", "--quick") == 1
    assert "leave out --quick" in capsys.readouterr().err


def test_a_page_is_written(
    duet: Duet, published: tuple[Path, PublishedPair], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("report", "mlp@1", "cnn@1", "--quick", "--threads", "1", "--out", str(tmp_path / "out")) == 0
    assert f"page: {tmp_path / 'out' / 'index.html'}" in capsys.readouterr().out
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert f"{published[1].cnn.metrics.test_accuracy:.1%}" in page

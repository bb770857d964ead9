from __future__ import annotations

import stat
from pathlib import Path

import pytest

import core
from core.errors import ConfigurationError
from core.files.home import duet_home, ensure_home, shipped_models


def test_the_home_is_in_the_working_directory_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUET_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    home = duet_home()
    assert home == tmp_path / ".duet"
    assert not home.exists()


def test_the_environment_names_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUET_HOME", "state")
    assert duet_home() == tmp_path / "state"
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("DUET_HOME", "~/state")
    assert duet_home() == tmp_path / "user" / "state"


def test_the_shipped_models_lie_beside_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DUET_SHIPPED_MODELS", raising=False)
    assert shipped_models() == Path(str(core.__file__)).resolve().parents[1] / "models"
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path))
    assert shipped_models() == tmp_path


def test_a_home_is_created_for_its_owner_and_an_existing_one_is_left_alone(tmp_path: Path) -> None:
    home = ensure_home(tmp_path / "deep" / "home")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    home.chmod(0o750)
    (home / "kept").touch()
    assert ensure_home(home) == home
    assert stat.S_IMODE(home.stat().st_mode) == 0o750
    assert (home / "kept").exists()


def test_a_home_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for impossible in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError, match="set DUET_HOME to a folder that you can write to"):
            ensure_home(impossible)

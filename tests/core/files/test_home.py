import stat
from pathlib import Path

import pytest

import core
from core.errors import ConfigurationError, LowDiskError
from core.files.home import MIB, duet_home, ensure_home, named_run, require_space, shipped_models
from tests.support.disks import let_disks_have


def test_home_is_in_the_working_directory_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUET_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    home = duet_home()
    assert home == tmp_path / ".duet"
    assert not home.exists()


def test_duet_home_sets_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUET_HOME", "state")
    assert duet_home() == tmp_path / "state"
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("DUET_HOME", "~/state")
    assert duet_home() == tmp_path / "user" / "state"


def test_shipped_models_are_beside_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DUET_SHIPPED_MODELS", raising=False)
    assert shipped_models() == Path(str(core.__file__)).resolve().parents[1] / "models"
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path))
    assert shipped_models() == tmp_path


def test_ensure_home_creates_a_private_folder_and_keeps_an_existing_one(tmp_path: Path) -> None:
    home = ensure_home(tmp_path / "deep" / "home")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    home.chmod(0o750)
    (home / "kept").touch()
    assert ensure_home(home) == home
    assert stat.S_IMODE(home.stat().st_mode) == 0o750
    assert (home / "kept").exists()


def test_ensure_home_that_cannot_be_created_raises(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for impossible in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError, match="set DUET_HOME to a folder that you can write to"):
            ensure_home(impossible)


def test_named_run_refuses_names_that_leave_the_folder(tmp_path: Path) -> None:
    assert named_run(tmp_path, "cnn-1.a") == tmp_path / "runs" / "cnn-1.a"
    for name in ("..", "a/b", "", ".hidden", "x" * 200):
        with pytest.raises(Exception, match="is not a valid run name"):
            named_run(tmp_path, name)


def test_require_space_one_byte_short_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_disks_have(monkeypatch, 3 * MIB)
    require_space(tmp_path, 3 * MIB, what="a walk", advice="go home")
    with pytest.raises(LowDiskError) as refused:
        require_space(tmp_path, 3 * MIB + 1, what="a walk", advice="go home")
    assert str(refused.value) == (f"3 MiB are free on the disk of {tmp_path}, but a walk needs 4 MiB: go home")


def test_require_space_uses_the_disk_of_the_nearest_existing_folder(tmp_path: Path) -> None:
    require_space(tmp_path, 1, what="a walk", advice="go home")
    with pytest.raises(LowDiskError):
        require_space(tmp_path, 2**60, what="a walk", advice="go home")

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import core
from core.errors import ConfigurationError, LowDiskError
from core.files.home import MIB, duet_home, ensure_home, locate_home, named_run, require_space, shipped_models
from tests.support.disks import let_disks_have

ROOT = Path(core.__file__).resolve().parents[1]


@pytest.fixture
def wheel(tmp_path: Path) -> Callable[[Path], list[str]]:
    """A function that runs `locate_home` of a copy of `core` outside the checkout, and returns path and rule."""
    site = tmp_path / "site-packages"
    shutil.copytree(ROOT / "core", site / "core", ignore=shutil.ignore_patterns("__pycache__"))
    lookup = "from core.files.home import locate_home; print(*locate_home(), sep='\\n')"

    def run(working: Path) -> list[str]:
        paths = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
        changes = {"PYTHONPATH": paths, "XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path)}
        environment = {name: value for name, value in os.environ.items() if name != "DUET_HOME"} | changes
        command = [sys.executable, "-c", lookup]
        return subprocess.run(
            command, cwd=working, env=environment, check=True, capture_output=True, text=True
        ).stdout.splitlines()

    return run


def test_home_of_a_checkout_is_the_same_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUET_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert locate_home() == (ROOT / ".duet", f"in the checkout {ROOT}")
    assert list(tmp_path.iterdir()) == []


def test_home_of_a_wheel_is_the_users_data_folder(tmp_path: Path, wheel: Callable[[Path], list[str]]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "pyproject.toml").write_text('[project]\nname = "another-project"\n')
    path, rule = wheel(other)
    assert Path(path).is_relative_to(tmp_path)
    assert (Path(path).name, rule) == ("duet", "in the user's data folder")
    assert not Path(path).exists()
    if sys.platform == "linux":
        assert Path(path) == tmp_path / "data" / "duet"


def test_home_of_a_wheel_in_a_checkout_is_the_checkout_home(tmp_path: Path, wheel: Callable[[Path], list[str]]) -> None:
    inside = tmp_path / "clone" / "docs"
    inside.mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "clone")
    assert wheel(inside) == [str(tmp_path / "clone" / ".duet"), f"in the checkout {tmp_path / 'clone'}"]


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


def test_ensure_home_creates_private_and_keeps_existing(tmp_path: Path) -> None:
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


def test_require_space_uses_the_nearest_existing_folder(tmp_path: Path) -> None:
    require_space(tmp_path, 1, what="a walk", advice="go home")
    with pytest.raises(LowDiskError):
        require_space(tmp_path, 2**60, what="a walk", advice="go home")

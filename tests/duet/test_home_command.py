"""`duet home` and its sub-commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.files.home_lock import use_home
from tests.support.duet_command import Duet
from tests.support.versions import write_aliases, write_version


def test_home_prints_the_folder(duet: Duet, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert duet("home") == 0
    printed = capsys.readouterr()
    assert printed.out == f"{home}\n"
    assert printed.err == "set by DUET_HOME; it does not exist yet\n"


def test_home_is_backed_up_restored_and_checked(
    duet: Duet, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_version(home / "models" / "cnn" / "1", "cnn", 1)
    write_aliases(home / "models", cnn=1)
    (home / "datasets").mkdir()
    (home / "datasets" / "linked").symlink_to(tmp_path)
    archive, other = tmp_path / "backup.tar.gz", tmp_path / "other"
    with use_home(home):  # a service runs
        assert duet("home", "backup", str(archive)) == 0
        printed = capsys.readouterr()
        assert printed.out.startswith(f"{archive}: ")
        assert printed.out.rstrip().endswith(f"MB of {home}")
        assert "links are not followed, back up their targets yourself: datasets/linked" in printed.err
        assert "the archive contains the API key" in printed.err
        assert duet("home", "restore", str(archive)) == 1
        assert f"a service, a worker or another restore uses {home}: stop it" in capsys.readouterr().err
    assert duet("home", "restore", str(archive)) == 1
    assert f"{home} is not empty (datasets, models)" in capsys.readouterr().err
    assert duet("home", "restore", str(archive), "--home", str(other)) == 0
    assert capsys.readouterr().out.startswith(f"{other}: restored ")
    monkeypatch.setenv("DUET_HOME", str(other))
    assert duet("home", "check") == 0
    assert capsys.readouterr().out == f"{other}: no faults\n"
    (other / "models" / "cnn" / "1" / "model.onnx").chmod(0o600)
    (other / "models" / "cnn" / "1" / "model.onnx").write_bytes(b"damaged")
    assert duet("home", "check") == 1
    assert capsys.readouterr().out == (
        "fault: cnn@1: model.onnx: 7 bytes instead of 11: restore it from a backup, or run `duet models delete cnn@1`\n"
        f"{other}: 1 fault\n"
    )


@pytest.mark.parametrize("command", [("backup", "b.tar"), ("check",)])
def test_missing_home_is_an_error(duet: Duet, home: Path, command: tuple[str, ...], tmp_path: Path) -> None:
    assert duet("home", *(str(tmp_path / word) if "." in word else word for word in command)) == 1
    assert not home.exists()

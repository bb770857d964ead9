"""Backups: errors of the target, order and locks under concurrent changes, content of the archive."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from core.files.home_lock import RESTORING_NAME
from core.repository.champions import promote
from core.repository.deletion import delete_version
from core.repository.repository import ModelRepository
from service.home import backup
from service.home.archive import ArchiveWriter, BackupError
from service.home.backup import back_up
from service.home.restore import restore
from tests.support.labelled_folders import write_labelled_folder
from tests.support.versions import go_to, make_repository, write_version

BY: Any = {"actor": "ada", "reason": "too old"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRepository:
    """cnn@1 is shipped, cnn@2 to cnn@4 and mlp@1 are at home, cnn@3 is champion; data set pets."""
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path / "shipped"))
    repository = make_repository(tmp_path)
    go_to(repository, 2, 3)
    write_labelled_folder(tmp_path / "home", "pets", {"cat": 2, "dog": 1})
    return repository


@pytest.fixture
def home(repository: ModelRepository) -> Path:
    return repository.home_models.parent


def restored(archive: Path, tmp_path: Path) -> ModelRepository:
    restore(archive, tmp_path / "restored")
    return ModelRepository(tmp_path / "restored" / "models", tmp_path / "shipped")


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_backup_holds_every_file_and_no_other(home: Path, tmp_path: Path, name: str) -> None:
    (home / "cache").mkdir()
    (home / "cache" / "large").touch()
    (home / "datasets" / "pets" / "fox").mkdir()
    done = back_up(home, tmp_path / name)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    result = restore(tmp_path / name, tmp_path / "restored")
    assert (result.files, result.bytes) == (done.files, done.bytes)
    before = {path.relative_to(home): path for path in home.rglob("*") if path.suffix != ".lock"}
    after = {path.relative_to(tmp_path / "restored") for path in (tmp_path / "restored").rglob("*")}
    assert after - {Path(".running")} == before.keys() - {
        Path("cache"),
        Path("cache/large"),
        Path("datasets/.lock"),
    }
    for name_in_home, path in before.items():
        copy = tmp_path / "restored" / name_in_home
        if path.is_file() and copy.exists():
            assert copy.read_bytes() == path.read_bytes()
            assert copy.stat().st_mtime == pytest.approx(path.stat().st_mtime, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("b.zip", "let its name end in .tar or .tar.gz"),
        ("absent/b.tar", "create it first"),
        ("home/b.tar", "name a file outside of"),
        ("there.tar", "exists: name another file"),
    ],
)
def test_impossible_target_is_refused(home: Path, tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "there.tar").write_text("other", encoding="utf-8")
    with pytest.raises(BackupError, match=problem):
        back_up(home, tmp_path / name)
    assert (tmp_path / "there.tar").read_text(encoding="utf-8") == "other"


def test_home_that_is_missing_or_half_restored_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there is no home"):
        back_up(tmp_path / "none", tmp_path / "b.tar")
    (home / RESTORING_NAME).mkdir()
    with pytest.raises(BackupError, match="was interrupted"):
        back_up(home, tmp_path / "b.tar")


def test_failed_backup_leaves_no_file(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "b.tar"
    target.parent.mkdir()
    (home / "runs").mkdir()
    os.mkfifo(home / "runs" / "pipe")
    with pytest.raises(BackupError, match=r"not a regular file \(.*/runs/pipe\)"):
        back_up(home, target)
    assert list(target.parent.iterdir()) == []


def test_champion_that_changes_during_a_backup_is_in_it(
    repository: ModelRepository, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the files are read, cnn@5 is published and promoted, cnn@3 deleted, and mlp@1 promoted."""

    class Busy(ArchiveWriter):
        def add(self, name: str, stream: BinaryIO, size: int) -> bool:
            if name == "models/mlp/1/manifest.json" and repository.champion("cnn") == 3:
                write_version(repository.home_models / "cnn" / "5", "cnn", 5)
                promote(repository, "cnn", 5, **BY)
                delete_version(repository, "cnn", 3, **BY)
                promote(repository, "mlp", 1, **BY)
            return super().add(name, stream, size)

    monkeypatch.setattr(backup, "ArchiveWriter", Busy)
    back_up(home, tmp_path / "b.tar")
    copy = restored(tmp_path / "b.tar", tmp_path)
    assert copy.champions() == {"cnn": 5, "mlp": 1}
    assert copy.numbers("cnn") == [1, 2, 4, 5]
    for family in copy.families():
        for version in copy.numbers(family):
            copy.verify(family, version)


def test_file_that_grows_while_it_is_read_is_copied_again(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = home / "datasets" / "pets" / "cat" / "0000"
    times = 0

    class Growing(ArchiveWriter):
        def add(self, name: str, stream: BinaryIO, size: int) -> bool:
            nonlocal times
            whole = super().add(name, stream, size)
            if name == "datasets/pets/cat/0000" and times < limit:
                times += 1
                with picture.open("ab") as stream:
                    stream.write(b"more")
            return whole

    monkeypatch.setattr(backup, "ArchiveWriter", Growing)
    limit = 2
    back_up(home, tmp_path / "b.tar")
    restore(tmp_path / "b.tar", tmp_path / "restored")
    assert (tmp_path / "restored" / "datasets" / "pets" / "cat" / "0000").read_bytes() == picture.read_bytes()
    limit = 1000
    with pytest.raises(BackupError, match="datasets/pets/cat/0000 changed while it was read: run the backup again"):
        back_up(home, tmp_path / "c.tar")


def test_deletions_of_traffic_that_finish_meanwhile_are_kept(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deletion = home / "traffic" / "deletions" / f"{'a' * 32}.json"
    deletion.parent.mkdir(parents=True)
    deletion.write_text(json.dumps({"made": 1.0}), encoding="utf-8")

    class Finishing(ArchiveWriter):
        def add(self, name: str, stream: BinaryIO, size: int) -> bool:
            whole = super().add(name, stream, size)
            deletion.unlink(missing_ok=True)
            return whole

    monkeypatch.setattr(backup, "ArchiveWriter", Finishing)
    back_up(home, tmp_path / "b.tar")
    restore(tmp_path / "b.tar", tmp_path / "restored")
    assert (tmp_path / "restored" / deletion.relative_to(home)).exists()


def test_names_that_are_not_utf8_survive(home: Path, tmp_path: Path) -> None:
    picture = home / "datasets" / "pets" / "cat" / "caf\udce9 %41.png"
    picture.write_bytes(b"image")
    back_up(home, tmp_path / "b.tar")
    restore(tmp_path / "b.tar", tmp_path / "restored")
    assert (tmp_path / "restored" / picture.relative_to(home)).read_bytes() == b"image"


def test_archive_has_header_first_and_list_last(home: Path, tmp_path: Path) -> None:
    back_up(home, tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar") as archive:
        names = archive.getnames()
        assert (names[0], names[-1]) == ("duet-backup.json", "duet-backup-files.json")
        assert names.index("home/models/aliases.json") > names.index("home/models/mlp/1/manifest.json")
        assert names.index("home/models/cnn/2/manifest.json") > names.index("home/datasets/pets/cat/0000")

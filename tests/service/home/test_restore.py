"""Restores: refused homes, damaged and hostile archives; nothing is left of a refused restore."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import ConfigurationError, LowDiskError
from core.files.home_lock import RESTORING_NAME, use_home
from service.home import restore as module
from service.home.archive import BackupError
from service.home.backup import back_up
from service.home.restore import restore
from tests.support.processes import killed_at
from tests.support.versions import write_aliases, write_version


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_version(tmp_path / "home" / "models" / "cnn" / "1", "cnn", 1)
    write_aliases(tmp_path / "home" / "models", cnn=1)
    (tmp_path / "home" / "broker" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "home" / "broker" / "appendonlydir" / "appendonly.aof.manifest").touch()
    return tmp_path / "home"


@pytest.fixture
def archive(home: Path, tmp_path: Path) -> Path:
    back_up(home, tmp_path / "b.tar")
    return tmp_path / "b.tar"


def rewritten(archive: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> Path:
    """A copy of the archive after a change of its members."""
    with tarfile.open(archive) as source:
        members = [(info, source.extractfile(info).read()) for info in source]  # type: ignore[union-attr]
    change(members)
    target = archive.with_name("changed.tar")
    with tarfile.open(target, "w") as out:
        for info, content in members:
            if info.isreg():
                info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return target


def member(name: str, content: bytes = b"x", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def refused(archive: Path, home: Path, problem: str) -> None:
    with pytest.raises(BackupError, match=problem):
        restore(archive, home)
    assert not home.exists()


def test_folders_are_private(archive: Path, tmp_path: Path) -> None:
    restore(archive, tmp_path / "deep" / "new")
    for folder in ("broker", "broker/appendonlydir", "models"):
        assert (tmp_path / "deep" / "new" / folder).stat().st_mode & 0o777 == 0o700


def test_home_with_files_is_refused(archive: Path, home: Path) -> None:
    with pytest.raises(BackupError, match=r"home is not empty \(broker, models\): .* move the old home away"):
        restore(archive, home)
    assert (home / "models" / "aliases.json").exists()
    assert not (home / RESTORING_NAME).exists()


def test_home_with_a_running_service_is_refused(archive: Path, tmp_path: Path) -> None:
    with use_home(tmp_path / "new"), pytest.raises(ConfigurationError, match=r"a service, a worker .*: stop it"):
        restore(archive, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == [".running"]


def test_empty_mount_point_is_accepted(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "volume" / "lost+found").mkdir(parents=True)
    assert restore(archive, tmp_path / "volume").files > 1


@pytest.mark.parametrize("cut", [0, 100, 5_000, 9_000])
def test_cut_off_archive_is_refused(archive: Path, tmp_path: Path, cut: int) -> None:
    archive.write_bytes(archive.read_bytes()[:cut])
    refused(archive, tmp_path / "new", "it is damaged, or not a backup")


def test_damaged_compression_is_refused(home: Path, tmp_path: Path) -> None:
    back_up(home, tmp_path / "b.tar.gz")
    content = bytearray((tmp_path / "b.tar.gz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "b.tar.gz").write_bytes(content)
    refused(tmp_path / "b.tar.gz", tmp_path / "new", "cannot restore")


def test_changed_file_is_refused(archive: Path, tmp_path: Path) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content.replace(b'"champions"', b'"champione"'))
    refused(archive, tmp_path / "new", r"1 of \d+ files differ .* models/aliases.json")


def test_missing_file_is_refused(archive: Path, tmp_path: Path) -> None:
    other = rewritten(archive, lambda members: members.remove(next(m for m in members if "aliases" in m[0].name)))
    refused(other, tmp_path / "new", r"1 of \d+ files differ from its list or are missing")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a backup", encoding="utf-8")
    refused(tmp_path / "text", tmp_path / "new", "not a backup")
    refused(tmp_path / "absent", tmp_path / "new", "No such file")
    with tarfile.open(tmp_path / "other.tar", "w") as other:
        info, content = member("home/a")
        other.addfile(info, io.BytesIO(content))
    refused(tmp_path / "other.tar", tmp_path / "new", "not a backup")


@pytest.mark.parametrize(
    "hostile",
    [
        member("home/../../escaped"),
        member("/escaped"),
        member("escaped"),
        member("home/"),
        member("home/.restoring/a"),
        member("home/.running"),
        member("home/link", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("home/hard", b"", type=tarfile.LNKTYPE, linkname="home/models/aliases.json"),
        member("home/device", b"", type=tarfile.CHRTYPE),
        member("home/folder", b"", type=tarfile.DIRTYPE),
    ],
    ids=lambda one: one[0].name,
)
def test_unsafe_member_is_refused(archive: Path, tmp_path: Path, hostile: tuple[tarfile.TarInfo, bytes]) -> None:
    other = rewritten(archive, lambda members: members.insert(1, hostile))
    refused(other, tmp_path / "new", "unsafe member")
    assert not (tmp_path / "escaped").exists()


def test_names_with_a_null_byte_are_refused(archive: Path, tmp_path: Path) -> None:
    hostile = member("home/a", pax_headers={"path": "home/a\0b"})
    refused(rewritten(archive, lambda members: members.insert(1, hostile)), tmp_path / "new", "null byte")

    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members[-1] = (members[-1][0], members[-1][1].replace(b'"folders":["', b'"folders":["a%00b","'))

    refused(rewritten(archive, change), tmp_path / "new", "null byte")


def test_unsafe_folder_in_the_list_is_refused(archive: Path, tmp_path: Path) -> None:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members[-1] = (members[-1][0], members[-1][1].replace(b'"folders":["', b'"folders":["../escaped","'))

    refused(rewritten(archive, change), tmp_path / "new", "unsafe folder")
    assert not (tmp_path / "escaped").exists()


def test_file_that_the_disk_cannot_hold_is_refused_before_it_is_written(archive: Path, tmp_path: Path) -> None:
    info, _ = member("home/runs/bomb")
    info.size = 1 << 50
    content = archive.read_bytes()
    with tarfile.open(archive) as source:
        second = source.getmembers()[1].offset
    archive.write_bytes(content[:second] + info.tobuf() + content[second:])
    with pytest.raises(LowDiskError, match=r"the restore needs .* MiB: free some space"):
        restore(archive, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("position", [0, -1])
def test_backup_of_a_newer_release_is_refused(archive: Path, tmp_path: Path, position: int) -> None:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info, content = members[position]
        members[position] = (info, content.replace(b"{", b'{"format":2,"new":1,', 1).replace(b'"format":1,', b"", 1))

    refused(rewritten(archive, change), tmp_path / "new", "is not of this release .*: install a newer one")


@pytest.mark.full
def test_restore_killed_at_any_line_is_complete_or_refused(archive: Path, home: Path, tmp_path: Path) -> None:
    """Until it is complete, no service starts on the home."""
    step, places = 1, 0
    while True:
        place = tmp_path / f"new{step}"
        if not killed_at(step, [module], _restore, archive, place):
            break
        entries = {path.name for path in place.iterdir()} - {".running"} if place.exists() else set()
        if RESTORING_NAME in entries:
            places += 1
            with pytest.raises(ConfigurationError, match="was interrupted"), use_home(place):
                pytest.fail("a service started")
            with pytest.raises(BackupError, match="was interrupted: remove everything"):
                restore(archive, place)
        else:
            assert entries in (set(), {"broker", "models"})
        step += 23
    assert places > 3
    assert (place / "models" / "aliases.json").read_bytes() == (home / "models" / "aliases.json").read_bytes()


def _restore(archive: Path, home: Path) -> None:
    restore(archive, home)

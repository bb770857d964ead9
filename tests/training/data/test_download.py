"""Download of CIFAR-10 from a local server: resumption, damage, disk space, atomicity."""

from __future__ import annotations

import dataclasses
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from torchvision.datasets import CIFAR10

from core.errors import DataError, LowDiskError
from core.images.cifar_files import CIFAR10_FILES, FOLDER_NAME, download_folder, file_problems, md5
from tests.support.cifar_server import PublishedCifar
from training.data import download
from training.data.download import CIFAR10_ARCHIVE, Archive, download_cifar10


class _StoppedError(BaseException):
    pass


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSES_SECONDS", (0.0, 0.0))


def fetched(
    home: Path, archive: Archive, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> list[str]:
    """Download into `home`; returns the notes."""
    notes: list[str] = []
    home.mkdir(exist_ok=True)
    assert download_cifar10(home, archive, progress=progress, note=notes.append) == folder_in(home)
    assert file_problems(folder_in(home), archive.files) == []
    assert [path.name for path in download_folder(home).iterdir() if path.name != "download.lock"] == [FOLDER_NAME]
    return notes


def folder_in(home: Path) -> Path:
    return download_folder(home) / FOLDER_NAME


def part_in(home: Path) -> Path:
    return download_folder(home) / "cifar-10-python.tar.gz.part"


def test_archive_is_the_one_that_torchvision_publishes() -> None:
    assert (CIFAR10_ARCHIVE.url, CIFAR10_ARCHIVE.md5) == (CIFAR10.url, CIFAR10.tgz_md5)
    published = [*CIFAR10.train_list, *CIFAR10.test_list, [CIFAR10.meta["filename"], CIFAR10.meta["md5"]]]
    assert list(CIFAR10_FILES) == [tuple(each) for each in published]


def test_progress_counts_every_byte_once(tmp_path: Path, published: PublishedCifar) -> None:
    seen: list[tuple[int, int]] = []
    notes = fetched(tmp_path / "home", published.archive, lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, published.archive.bytes)
    assert seen[-1] == (published.archive.bytes, published.archive.bytes)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert f"downloading {published.archive.url}" in notes[0]
    published.path.unlink()
    assert fetched(tmp_path / "home", published.archive) == [f"CIFAR-10 is already in {folder_in(tmp_path / 'home')}"]


def test_lost_connection_is_resumed_where_it_ended(tmp_path: Path, published: PublishedCifar) -> None:
    published.cut_after[:] = [1000, 500]
    notes = fetched(tmp_path / "home", published.archive)
    assert published.ranges == [None, "bytes=1000-", "bytes=1500-"]
    assert sum("the connection was lost" in note for note in notes) == 2


def test_stalled_connection_fails_and_keeps_the_partial_file(tmp_path: Path, published: PublishedCifar) -> None:
    home = tmp_path / "home"
    home.mkdir()
    published.cut_after[:] = [1000, 0, 0, 0]
    with pytest.raises(DataError, match=r"the connection ended after 1,000 of .* what has arrived is kept"):
        fetched(home, published.archive)
    assert part_in(home).read_bytes() == published.path.read_bytes()[:1000]
    assert not folder_in(home).exists()
    fetched(home, published.archive)
    assert published.ranges[-1] == "bytes=1000-"


def test_stopped_download_is_resumed(tmp_path: Path, published: PublishedCifar) -> None:
    def stop(done: int, _total: int) -> None:
        if done:
            raise _StoppedError

    published.cut_after[:] = [1000]
    with pytest.raises(_StoppedError):
        fetched(tmp_path / "home", published.archive, stop)
    assert part_in(tmp_path / "home").stat().st_size == 1000
    fetched(tmp_path / "home", published.archive)
    assert published.ranges == [None, "bytes=1000-"]


def test_server_without_ranges_starts_again(tmp_path: Path, published: PublishedCifar) -> None:
    published.ignores_ranges = True
    published.cut_after[:] = [1000]
    fetched(tmp_path / "home", published.archive)
    assert published.ranges == [None, "bytes=1000-"]


@pytest.mark.parametrize("damage", ["changed", "longer", "shorter"])
def test_damaged_archive_is_never_unpacked_and_fetched_again(
    tmp_path: Path, published: PublishedCifar, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    home = tmp_path / "home"
    whole = published.path.read_bytes()
    content = bytearray(whole)
    content[-20] ^= 1
    changed = {"changed": bytes(content), "longer": whole + b"more", "shorter": whole[:-4]}
    published.path.write_bytes(changed[damage])
    with monkeypatch.context() as patch:
        patch.setattr(tarfile, "open", None)
        with pytest.raises(DataError, match="could not be downloaded from"):
            fetched(home, published.archive)
    assert not part_in(home).exists()
    assert not folder_in(home).exists()
    published.path.write_bytes(whole)
    fetched(home, published.archive)


def test_archive_with_other_files_replaces_nothing(tmp_path: Path, published: PublishedCifar) -> None:
    home = tmp_path / "home"
    fetched(home, published.archive)
    (folder_in(home) / "test_batch").write_bytes(b"damaged")
    other = dataclasses.replace(published.archive, files=(("data_batch_1", "0" * 32),))
    with pytest.raises(DataError, match="other files than expected: data_batch_1 is damaged"):
        fetched(home, other)
    assert (folder_in(home) / "test_batch").read_bytes() == b"damaged"
    fetched(home, published.archive)


def test_kill_while_unpacking_leaves_nothing_behind(tmp_path: Path, published: PublishedCifar) -> None:
    home = tmp_path / "home"
    left = download_folder(home) / ".unpacking-killed"
    (left / FOLDER_NAME).mkdir(parents=True)
    fetched(home, published.archive)
    assert not left.exists()


def test_disk_is_checked_before_the_first_byte(
    tmp_path: Path, published: PublishedCifar, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = published.archive.bytes + published.archive.unpacked_bytes
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(LowDiskError, match="the download of CIFAR-10 needs"):
        fetched(tmp_path / "home", published.archive)
    assert published.ranges == []


@pytest.mark.parametrize("damage", ["absent", "no folder"])
def test_failed_download_gives_advice(tmp_path: Path, published: PublishedCifar, damage: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    if damage == "absent":
        published.path.unlink()
    else:
        (home / "datasets").write_text("a file where a folder should be")
    said = {"absent": "HTTP Error 404", "no folder": "Not a directory"}[damage]
    with pytest.raises(DataError, match=rf"could not be downloaded from .*{said}.* set --data-dir"):
        fetched(home, published.archive)
    assert len(published.ranges) == (1 if damage == "absent" else 0)


def test_second_process_waits_and_can_be_stopped(tmp_path: Path, published: PublishedCifar) -> None:
    home = tmp_path / "home"
    download_folder(home).mkdir(parents=True)
    notes: list[str] = []

    def stop(_done: int, _total: int) -> None:
        raise _StoppedError

    with FileLock(download_folder(home) / "download.lock"), pytest.raises(_StoppedError):
        download_cifar10(home, published.archive, progress=stop, note=notes.append)
    assert notes == ["another process downloads CIFAR-10, waiting for it"]
    assert published.ranges == []


def test_md5_is_that_of_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"The quick brown fox jumps over the lazy dog")
    assert md5(tmp_path / "file") == "9e107d9d372bb6826bd81d3542a419d6"

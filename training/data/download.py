"""Download of CIFAR-10: resumable, checked by md5 before and after unpacking, put in place in one step.

Needs no package for training, so that the download can begin in any environment.
"""

from __future__ import annotations

import http.client
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from filelock import FileLock, Timeout

from core.errors import DataError
from core.files.durable import sync
from core.files.home import MIB, require_space
from core.images.cifar_files import CIFAR10_FILES, DOWNLOAD_BYTES, FOLDER_NAME, download_folder, file_problems, md5

TIMEOUT_SECONDS = 30.0
"""Time without any data after which a connection counts as lost."""
PAUSES_SECONDS = (1.0, 3.0, 10.0)
"""Pauses before a lost connection is tried again; then the download fails."""
_CHUNK_BYTES = 256 * 1024
_LOCK_POLL_SECONDS = 0.2
_UNPACKING_PREFIX = ".unpacking-"


@dataclass(frozen=True)
class Archive:
    """A published archive of CIFAR-10 in the Python version.

    Attributes:
        url: address of the .tar.gz.
        md5: of the archive.
        bytes: size of the archive.
        unpacked_bytes: size of its files.
        files: name and md5 of each file in its folder `cifar-10-batches-py`.
    """

    url: str
    md5: str
    bytes: int
    unpacked_bytes: int
    files: tuple[tuple[str, str], ...]


CIFAR10_ARCHIVE = Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
    bytes=DOWNLOAD_BYTES,
    unpacked_bytes=186_214_114,
    files=CIFAR10_FILES,
)
"""The archive of the data set's home page."""

Progress = Callable[[int, int], None]
"""Called often with the bytes that have arrived and their total. May raise to stop; what has arrived is kept."""


def download_cifar10(
    home: Path, archive: Archive = CIFAR10_ARCHIVE, *, progress: Progress, note: Callable[[str], None]
) -> Path:
    """Download and unpack CIFAR-10 into `home`, unless it is there and undamaged; only one process at a time.

    An interrupted download is resumed. The folder appears with all its files or not at all.

    Args:
        home: DUET_HOME; it exists.
        archive: the archive to download.
        progress: see `Progress`; also called while another process downloads.
        note: receives messages for the user.

    Returns:
        The folder of the files.

    Raises:
        DataError: the download failed, or the archive is damaged; the message says what to do.
        LowDiskError: the disk has too little space for the archive and its files.
    """
    root = download_folder(home)
    folder = root / FOLDER_NAME
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / "download.lock", lambda: progress(0, archive.bytes), note):
            if not file_problems(folder, archive.files):
                note(f"CIFAR-10 is already in {folder}")
                return folder
            _remove_leftovers(root)
            part = root / "cifar-10-python.tar.gz.part"
            _check_disk(root, _size(part), archive)
            _fetch(archive, part, progress, note)
            _check_archive(archive, part)
            note("the md5 of the archive is correct, unpacking it")
            _unpack(archive, part, folder, lambda: progress(archive.bytes, archive.bytes))
            part.unlink()
    except (OSError, http.client.HTTPException, tarfile.TarError) as error:
        raise DataError(
            f"CIFAR-10 could not be downloaded from {archive.url} into {root}: {error or type(error).__name__}. Check "
            "the network and try again: what has arrived is kept. Or unpack the archive yourself and set --data-dir or "
            "DUET_DATA_DIR to its folder."
        ) from error
    note(f"CIFAR-10 is in {folder}")
    return folder


@contextmanager
def _locked(path: Path, waiting: Callable[[], None], note: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock; `waiting` is called repeatedly while another process holds it."""
    lock = FileLock(path)
    noted = False
    while True:
        try:
            lock.acquire(timeout=_LOCK_POLL_SECONDS)
        except Timeout:
            if not noted:
                note("another process downloads CIFAR-10, waiting for it")
            noted = True
            waiting()
            continue
        try:
            yield
        finally:
            lock.release()
        return


def _remove_leftovers(root: Path) -> None:
    """Remove the folders of processes that were killed while unpacking; the caller holds the lock."""
    for left in root.glob(f"{_UNPACKING_PREFIX}*"):
        shutil.rmtree(left)


def _check_disk(root: Path, arrived: int, archive: Archive) -> None:
    require_space(
        root,
        max(0, archive.bytes - arrived) + archive.unpacked_bytes + MIB,
        what="the download of CIFAR-10",
        advice="free some space, then start it again",
    )


def _fetch(archive: Archive, part: Path, progress: Progress, note: Callable[[str], None]) -> None:
    """Complete the file `part`, and resume lost connections as long as more data arrives."""
    pauses = iter(PAUSES_SECONDS)
    while (before := _size(part)) < archive.bytes:
        where = f", resuming after {before / 1e6:.0f} MB" if before else ""
        note(f"downloading {archive.url} ({archive.bytes / 1e6:.0f} MB){where}")
        try:
            _receive(archive, part, progress)
        except HTTPError as error:
            error.close()
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.unlink()  # the server has a shorter archive
            raise
        except (OSError, http.client.HTTPException) as error:
            if _size(part) > before:
                pauses = iter(PAUSES_SECONDS)
            pause = next(pauses, None)
            if pause is None:
                raise
            note(f"the connection was lost ({error or type(error).__name__}), trying again in {pause:.0f} s")
            time.sleep(pause)


def _receive(archive: Archive, part: Path, progress: Progress) -> None:
    """Append the rest of the archive to `part`, or start again if the server sends the whole archive.

    Raises:
        ConnectionError: the connection ended before the archive was complete.
    """
    arrived = _size(part)
    # The address is a constant of this module, or of a test.
    request = Request(archive.url, headers={"Range": f"bytes={arrived}-"} if arrived else {})  # noqa: S310
    with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
        resumes = response.status == HTTPStatus.PARTIAL_CONTENT
        arrived = arrived if resumes else 0
        with part.open("ab" if resumes else "wb") as stream:
            progress(arrived, archive.bytes)
            # One byte more than expected shows that the server has another archive; its md5 is then wrong, too.
            while arrived <= archive.bytes and (chunk := response.read1(_CHUNK_BYTES)):
                stream.write(chunk)
                arrived += len(chunk)
                progress(min(arrived, archive.bytes), archive.bytes)
    if arrived < archive.bytes:
        raise ConnectionError(f"the connection ended after {arrived:,} of {archive.bytes:,} bytes")


def _check_archive(archive: Archive, part: Path) -> None:
    actual = md5(part)
    if actual != archive.md5:
        part.unlink()  # a resumed download would stay damaged
        raise OSError(f"the archive is damaged (its md5 is {actual} instead of {archive.md5}) and was deleted")


def _unpack(archive: Archive, part: Path, folder: Path, step: Callable[[], None]) -> None:
    """Unpack beside `folder`, check every file, then put the folder in place of a damaged one, if any."""
    staging = Path(tempfile.mkdtemp(prefix=_UNPACKING_PREFIX, dir=folder.parent))
    try:
        with tarfile.open(part, "r:gz") as tar:
            for member in tar:
                step()
                tar.extract(member, staging, filter="data")
        unpacked = staging / FOLDER_NAME
        if problems := file_problems(unpacked, archive.files):
            raise OSError(f"the archive has other files than expected: {'; '.join(problems)}")
        for name, _ in archive.files:
            sync(unpacked / name)
        sync(unpacked)
        if folder.exists():
            folder.rename(staging / "replaced")
        unpacked.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

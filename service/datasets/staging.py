"""Where an upload gathers before it is part of a data set, so that nothing half-written is ever seen.

    DUET_HOME/datasets/.uploads/<token>/        body, images/<class>/<image>
    DUET_HOME/datasets/.uploads/<token>.lock    held as long as the process works on it

A folder whose lock is free was left by a process that died; the next upload removes it.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import UnknownDatasetError
from core.files.home import ensure_home
from core.images.labelled_folders import LabelledFolder, changing, dataset_folder, datasets_folder, read_folder
from service.datasets.limits import Limits
from service.errors import DatasetTooLargeError

UPLOADS_NAME = ".uploads"


class Staging:
    """The folder of one upload; its methods block, and may be called from any thread."""

    def __init__(self, home: Path) -> None:
        """Make it, and remove those that were abandoned."""
        self._home = ensure_home(home)
        uploads = datasets_folder(home) / UPLOADS_NAME
        uploads.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(uploads)
        self.folder = uploads / secrets.token_hex(8)
        self._lock = _locked(self.folder)
        self.folder.mkdir()
        self.images = self.folder / "images"
        self.images.mkdir()

    @property
    def body(self) -> Path:
        """The request's body as it was sent."""
        return self.folder / "body"

    @property
    def archive(self) -> Path:
        """The zip that a form held."""
        return self.folder / "archive.zip"

    def write(self, label: str, name: str, content: bytes) -> None:
        """Gather an image of a class under a name of our own making."""
        folder = self.images / label
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    def put_in_place(self, name: str, limits: Limits) -> LabelledFolder:
        """Make what was gathered part of the data set called `name`, which may be new; returns the whole of it.

        A new data set, and a new class, appear at once. Files join a class one by one, with no listing meanwhile;
        a process that is killed then leaves some of them added, and the same upload, sent again, adds the others.

        Raises:
            DatasetTooLargeError: the whole would be more than allowed; nothing is added.
        """
        place = dataset_folder(self._home, name)
        with changing(self._home):
            self._refuse_too_large(name, limits)
            if not place.exists():
                self.images.rename(place)
            else:
                for folder in self.images.iterdir():
                    _merge(folder, place / folder.name)
        return read_folder(self._home, name)

    def take_away(self, name: str) -> None:
        """Move a data set here, to be removed with the rest; raises FileNotFoundError where another was quicker."""
        with changing(self._home):
            dataset_folder(self._home, name).rename(self.folder / "removed")

    def close(self) -> None:
        """Remove what is left."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)

    def _refuse_too_large(self, name: str, limits: Limits) -> None:
        """The caller holds the lock, so what is there now is listed without it."""
        files = [path for path in self.images.rglob("*") if path.is_file()]
        place = dataset_folder(self._home, name)
        files += [path for path in place.glob("*/*") if path.is_file() and not path.name.startswith(".")]
        if len(files) > limits.images:
            raise DatasetTooLargeError("images", limits.images)
        if sum(path.stat().st_size for path in files) > limits.bytes:
            raise DatasetTooLargeError("bytes", limits.bytes)


def labels_of_contents(home: Path, name: str) -> dict[str, str]:
    """The class of every file of a data set by the file's name; empty where the data set is new."""
    try:
        folder = read_folder(home, name)
    except UnknownDatasetError:
        return {}
    return {file.path.name: label for label, files in folder.files.items() for file in files}


def _merge(source: Path, target: Path) -> None:
    if not target.exists():
        source.rename(target)
        return
    for file in source.iterdir():
        file.rename(target / file.name)


def _remove_abandoned(uploads: Path) -> None:
    for folder in [path for path in uploads.iterdir() if path.is_dir()]:
        lock = FileLock(_lock_path(folder))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        _lock_path(folder).unlink(missing_ok=True)


def _locked(folder: Path) -> FileLock:
    # thread_local=False: another thread than the one that makes the folder removes it.
    lock = FileLock(_lock_path(folder), thread_local=False)
    lock.acquire()
    return lock


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")

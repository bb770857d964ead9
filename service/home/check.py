"""Check of a home: versions, champions, data sets, captured traffic, the broker's files, and leftovers.

Nothing is changed, and services may run meanwhile.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from filelock import FileLock, Timeout

from core.errors import ConfigurationError, DataError, RepositoryError
from core.files.home_lock import RESTORING_NAME, interrupted_restore
from core.files.regular import read_regular
from core.images.labelled_folders import DATASETS_NAME, dataset_names, read_folder
from core.repository.alias_files import ALIASES_NAME, TRAIL_NAME, read_aliases, read_trail
from core.repository.integrity import unlisted_files
from core.repository.manifest import sha256_of
from core.repository.publishing import STAGING_NAME
from core.repository.repository import MODELS_NAME, ModelRepository
from service.datasets.staging import UPLOADS_NAME
from service.home.broker_files import APPEND_FOLDER, MANIFEST, listed_files
from service.home.contents import is_leftover, list_home
from service.security.key_file import KEY_FILE, SESSION_SECRET_FILE
from service.security.key_store import KEYS_NAME, read_key_file
from service.traffic.record import RecordError, decode_key
from service.traffic.segments import damage, read_frames, segment_paths, segments_folder

LEFTOVER_SECONDS = 3600.0
"""Age of a temporary file without a lock after which its process has surely ended."""
_BACKUP = "restore it from a backup"


class Finding(NamedTuple):
    """A fault, or a leftover that takes space only.

    Attributes:
        where: path relative to the home, or reference of a version.
        problem: what is wrong.
        advice: what to do.
        is_fault: False for a leftover.
    """

    where: str
    problem: str
    advice: str
    is_fault: bool = True


def check_home(repository: ModelRepository) -> Iterator[Finding]:
    """Check the home of a repository, whose shipped versions are checked too.

    Raises:
        OSError: a folder of the home cannot be read.
    """
    home = repository.home_models.parent
    if (home / RESTORING_NAME).exists():
        yield Finding(RESTORING_NAME, interrupted_restore(home), "its files are in the backup")
        return
    yield from _versions(repository)
    yield from _champions(repository)
    yield from _datasets(home)
    yield from _segments(home)
    yield from _documents(home)
    yield from _keys(home)
    yield from _broker(home)
    yield from _leftovers(home)


def _versions(repository: ModelRepository) -> Iterator[Finding]:
    for family in repository.families():
        for version in repository.numbers(family):
            reference = f"{family}@{version}"
            try:
                manifest = repository.verify(family, version)
            except RepositoryError as error:
                problem = str(error).removeprefix(f"{reference}: ")
                is_ours = (repository.home_models / family / str(version)).is_dir()
                advice = (
                    f"{_BACKUP}, or run `duet models delete {reference}`" if is_ours else "install the project again"
                )
                yield Finding(reference, problem, advice)
                continue
            for name in unlisted_files(repository.folder(family, version), manifest):
                yield Finding(reference, f"{name} is not in the manifest", "remove the file")


def _champions(repository: ModelRepository) -> Iterator[Finding]:
    models = repository.home_models
    try:
        champions = repository.champions()
        read_trail(models, aliases := read_aliases(models))
    except RepositoryError as error:
        yield Finding(f"{MODELS_NAME}/{ALIASES_NAME}, {TRAIL_NAME}", str(error), _BACKUP)
        return
    for family, version in champions.items():
        if version not in repository.numbers(family):
            yield Finding(
                f"{family}@{version}",
                "the champion does not exist" + ("" if family in aliases.champions else " in the shipped models"),
                f"restore the version from a backup, or run `duet models promote` with another version of {family}",
            )


def _datasets(home: Path) -> Iterator[Finding]:
    """Readability of each data set, and the content of files that an upload has named by their sha256."""
    for name in dataset_names(home):
        where = f"{DATASETS_NAME}/{name}"
        try:
            folder = read_folder(home, name)
        except DataError as error:
            yield Finding(where, str(error), _BACKUP)
            continue
        for file in (file for files in folder.stored.values() for file in files):
            digest = file.path.stem
            is_named_by_content = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
            try:
                if file.bytes == 0:
                    problem = "the file is empty"
                elif is_named_by_content and sha256_of(file.path) != digest:
                    problem = "the image differs from the uploaded one"
                else:
                    continue
            except FileNotFoundError:  # deleted meanwhile
                continue
            except OSError as error:
                problem = f"cannot be read ({error.strerror})"
            yield Finding(f"{where}/{file.name}", problem, f"{_BACKUP}, or remove it and upload the image again")


def _segments(home: Path) -> Iterator[Finding]:
    for path in segment_paths(segments_folder(home)):
        where = path.relative_to(home).as_posix()
        unreadable = 0
        try:
            damaged = damage(path)
            for frame in read_frames(path):
                try:
                    if frame.body:
                        decode_key(frame.body)
                except RecordError:
                    unreadable += 1
        except FileNotFoundError:  # removed by the quota
            continue
        if damaged:
            yield Finding(where, damaged, f"the service skips these records; {_BACKUP}, or remove it")
        if unreadable:
            yield Finding(where, f"number of records of another release: {unreadable}", "install the newer release")


def _documents(home: Path) -> Iterator[Finding]:
    """JSON files and the complete lines of JSON Lines files outside of versions and data sets."""
    for name in list_home(home, without=(MODELS_NAME, DATASETS_NAME)).files:
        suffix = PurePosixPath(name).suffix
        if suffix not in (".json", ".jsonl") or name == KEYS_NAME:
            continue
        try:
            content = read_regular(home / name)
        except FileNotFoundError:
            continue
        texts = [content] if suffix == ".json" else content.split(b"\n")[:-1]
        wrong = [number for number, text in enumerate(texts, 1) if not _is_json(text, blank=suffix == ".jsonl")]
        if wrong:
            lines = "" if suffix == ".json" else f", first in line {wrong[0]}"
            yield Finding(name, f"is not valid JSON{lines}", f"{_BACKUP}, or remove it")


def _is_json(text: bytes, *, blank: bool) -> bool:
    if blank and not text.strip():  # an erased line
        return True
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _keys(home: Path) -> Iterator[Finding]:
    for name in (KEY_FILE, SESSION_SECRET_FILE):
        try:
            mode = stat.S_IMODE((home / name).stat().st_mode)
        except FileNotFoundError:
            continue
        if mode & 0o077:
            yield Finding(name, f"other users can read it (mode {mode:o})", f"run `chmod 600 {home / name}`")
    try:
        read_key_file(home)
    except ConfigurationError as error:
        yield Finding(KEYS_NAME, str(error), _BACKUP)


def _broker(home: Path) -> Iterator[Finding]:
    try:
        names = listed_files(read_regular(home / MANIFEST))
    except FileNotFoundError:
        if (home / APPEND_FOLDER).is_dir() and any((home / APPEND_FOLDER).iterdir()):
            yield Finding(MANIFEST, "is missing", f"{_BACKUP}; without it, the jobs are lost")
        return
    except ConfigurationError as error:
        yield Finding(MANIFEST, str(error), _BACKUP)
        return
    for name in names:
        is_missing = not (home / APPEND_FOLDER / name).is_file()
        # The broker replaces its files now and then.
        if is_missing and name in listed_files(read_regular(home / MANIFEST)):
            yield Finding(f"{APPEND_FOLDER}/{name}", "is missing", f"restore {APPEND_FOLDER} from a backup")


def _leftovers(home: Path) -> Iterator[Finding]:
    oldest = time.time() - LEFTOVER_SECONDS
    for path in sorted(_unfinished(home)):
        name = path.relative_to(home)
        try:
            if path.parent.name in (STAGING_NAME, UPLOADS_NAME):
                is_left = path.is_dir() and not _is_locked(path.with_name(f"{path.name}.lock"))
            else:
                is_left = path.stat().st_mtime < oldest
        except FileNotFoundError:
            continue
        if is_left:
            yield Finding(name.as_posix(), "was left by a process that was killed", "remove it", is_fault=False)


def _unfinished(home: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(home):
        for name in [*folders, *files]:
            path = Path(parent, name)
            if not is_leftover(PurePosixPath(path.relative_to(home).as_posix())):
                continue
            if name in folders:
                folders.remove(name)
            if name in (STAGING_NAME, UPLOADS_NAME):
                yield from path.iterdir()
            else:
                yield path


def _is_locked(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True

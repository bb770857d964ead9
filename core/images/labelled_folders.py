"""Labelled images that users bring: DUET_HOME/datasets/<name>/<class>/<image>, a class per folder.

Folders are made by `POST /datasets/{name}` or by hand. What lies in a class folder is told apart by decoding it, not by
its name; names that begin with a dot belong to systems and to uploads under way, and are never looked at.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field

from core.errors import ConfigurationError, DataError, UnknownDatasetError
from core.files.durable import file_lock

FOLDER_PREFIX = "folder:"
"""Begins the name by which commands and jobs call such a data set, as in `folder:pets`."""
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
DatasetName = Annotated[str, Field(pattern=NAME_PATTERN)]
RESERVED_NAMES = frozenset({"cifar10"})
"""Built-in data sets, one of which is downloaded into this very place."""
MIN_CLASSES = 2
MAX_CLASSES = 1_000
MIN_IMAGES_PER_CLASS = 4
"""One image each to learn from, to tune by, to calibrate on and to test with."""
MAX_LABEL_CHARACTERS = 100

DATASETS_NAME = "datasets"
_LOCK_NAME = ".lock"


@dataclass(frozen=True)
class ImageFile:
    """A file in a class folder, which may or may not be an image."""

    path: Path
    bytes: int


@dataclass(frozen=True)
class LabelledFolder:
    """The files of a data set as they lie on disk at one moment; none has been opened.

    Attributes:
        name: of the data set.
        path: its folder.
        files: those of each class, both in order of their names; a class may have none.
        skipped: what lies among them and is not looked at, with the reason, by its path within the data set as
            `shown` has it.
    """

    name: str
    path: Path
    files: Mapping[str, tuple[ImageFile, ...]]
    skipped: tuple[tuple[str, str], ...]

    @property
    def data(self) -> str:
        """What commands and jobs call it, such as `folder:pets`."""
        return FOLDER_PREFIX + self.name

    @property
    def images(self) -> int:
        """Files of all classes."""
        return sum(len(files) for files in self.files.values())

    @property
    def bytes(self) -> int:
        """Their size on disk."""
        return sum(file.bytes for files in self.files.values() for file in files)

    @cached_property
    def digest(self) -> str:
        """sha256, as 64 hexadecimal digits, over classes, file names and sizes.

        Contents are not read. Uploaded files are named after their content, so that for them equal digests mean equal
        images.
        """
        digest = hashlib.sha256()
        for label, files in self.files.items():
            digest.update(f"{label}\0".encode())
            for file in files:
                digest.update(f"{file.path.name}\0{file.bytes}\0".encode("utf-8", "surrogateescape"))
            digest.update(b"\0")
        return digest.hexdigest()

    def shortfalls(self) -> list[str]:
        """Why nothing can be trained on it yet, a phrase each; empty where something can."""
        return shortfalls({label: len(files) for label, files in self.files.items()})


def shortfalls(images: Mapping[str, int]) -> list[str]:
    """Why classes with so many images each cannot be trained on, a phrase each; empty where they can."""
    found = []
    if len(images) < MIN_CLASSES:
        found.append(f"it has {_counted(len(images), 'class', 'classes')} and needs at least {MIN_CLASSES}")
    if len(images) > MAX_CLASSES:
        found.append(f"it has {len(images):,} classes, and at most {MAX_CLASSES:,} are taken")
    for label, count in images.items():
        if count < MIN_IMAGES_PER_CLASS:
            has = "is empty" if not count else f"has {_counted(count, 'image', 'images')}"
            found.append(f"class {label!r} {has} and needs at least {MIN_IMAGES_PER_CLASS}")
    return found


def folder_of(data: str) -> str | None:
    """NAME of `folder:NAME`, or None where `data` is the name of a built-in data set."""
    return data.removeprefix(FOLDER_PREFIX) if data.startswith(FOLDER_PREFIX) else None


def default_family(kind: str, data: str) -> str:
    """The family that a network of this kind is published under where nobody names one.

    Raises:
        ConfigurationError: `data` is a folder, whose classes are not those that the family of the kind tells apart.
    """
    if folder_of(data) is not None:
        raise ConfigurationError(
            f"name the family to publish under: {data} has classes of its own, and would not fit among the versions of "
            f"{kind}"
        )
    return kind


def datasets_folder(home: Path) -> Path:
    """Where all labelled folders lie; it need not exist."""
    return home / DATASETS_NAME


def dataset_folder(home: Path, name: str) -> Path:
    """Where the data set called `name` lies; it need not exist.

    Raises:
        DataError: the name is not one, so that it could lead out of the folder of data sets.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise DataError(
            f"{name!r} cannot name a data set: use up to 64 lower-case letters, digits, - and _, no sign first"
        )
    if name in RESERVED_NAMES:
        raise DataError(f"{name!r} is the name of a built-in data set: choose another")
    return datasets_folder(home) / name


def label_problem(label: str) -> str | None:
    """Why `label` cannot name a class and its folder, as a phrase; None where it can."""
    if not 0 < len(label) <= MAX_LABEL_CHARACTERS:
        return f"a class has a name of 1 to {MAX_LABEL_CHARACTERS} characters"
    if not label.isprintable() or "/" in label or "\\" in label:
        return "the name of a class has no slashes and no characters that cannot be seen"
    if label.startswith(".") or label != label.strip():
        return "the name of a class does not begin with a dot, nor begin or end with a space"
    if len(label.encode()) > 255 or not unicodedata.is_normalized("NFC", label):
        return "the name of a class is short enough for a folder, and composed (NFC)"
    return None


def shown(path: str) -> str:
    r"""A path as text that can be printed and sent: a byte that is not UTF-8 is written as `\xe9`, say."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def dataset_names(home: Path) -> list[str]:
    """The data sets that there are, sorted."""
    return sorted(
        entry.name
        for entry in _entries(datasets_folder(home))
        if entry.is_dir(follow_symlinks=False)
        and re.fullmatch(NAME_PATTERN, entry.name)
        and entry.name not in RESERVED_NAMES
    )


def read_folder(home: Path, name: str) -> LabelledFolder:
    """List the data set called `name`; a listing is never made while an upload moves its files in.

    Raises:
        DataError: the name is not one.
        UnknownDatasetError: there is no such data set; the message lists those that there are.
    """
    path = dataset_folder(home, name)
    if path.is_symlink() or not path.is_dir():
        existing = ", ".join(dataset_names(home)) or "none yet"
        linked = "; a link to a folder elsewhere is not followed" if path.is_symlink() else ""
        raise UnknownDatasetError(
            f"no data set {name!r} in {path.parent}; existing data sets: {existing}{linked}. Send images to "
            f"POST /datasets/{name}, or make the folder, with a folder of images in it for each class"
        )
    with changing(home):
        return _listed(name, path)


def changing(home: Path) -> AbstractContextManager[None]:
    """Hold what keeps listings and moves of files apart, of all data sets and processes; the folder exists."""
    return file_lock(datasets_folder(home) / _LOCK_NAME)


def _listed(name: str, path: Path) -> LabelledFolder:
    files: dict[str, tuple[ImageFile, ...]] = {}
    skipped: list[tuple[str, str]] = []
    for entry in sorted(_entries(path), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        problem = _class_problem(entry)
        if problem is not None:
            skipped.append((shown(entry.name), problem))
            continue
        found = []
        for file in sorted(_entries(Path(entry.path)), key=lambda file: file.name):
            if file.name.startswith("."):
                continue
            if not file.is_file(follow_symlinks=False):
                kind = "a link, which is not followed" if file.is_symlink() else "not a file"
                skipped.append((shown(f"{entry.name}/{file.name}"), kind))
                continue
            found.append(ImageFile(Path(file.path), file.stat(follow_symlinks=False).st_size))
        files[entry.name] = tuple(found)
    return LabelledFolder(name, path, files, tuple(skipped))


def _class_problem(entry: os.DirEntry[str]) -> str | None:
    if entry.is_symlink():
        return "a link, which is not followed: it could lead out of the folder of data sets"
    if not entry.is_dir():
        return "not in the folder of a class"
    return label_problem(entry.name)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}") from error


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"

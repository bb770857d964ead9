"""Labeled image folders, the data sets of users: DUET_HOME/datasets/<name>/<class>/<image>.

Folders are made by `POST /datasets/{name}` or by hand. File types are recognized by content, not by name. Names that
begin with a dot (system files, unfinished uploads) are ignored.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.errors import ConfigurationError, DataError, UnknownDatasetError
from core.files.durable import file_lock

FOLDER_PREFIX = "folder:"
"""Prefix of such data sets in commands and jobs, as in `folder:pets`."""
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
NAME_RULE = "up to 64 lower-case letters, digits, - and _, starting with a letter or digit"
RESERVED_NAMES = frozenset({"cifar10"})
"""Built-in data sets; CIFAR-10 is downloaded into the same folder."""
MIN_CLASSES = 2
MAX_CLASSES = 1_000
MIN_IMAGES_PER_CLASS = 4
"""One image each for train, validation, holdout and test."""
MAX_LABEL_CHARACTERS = 100

DATASETS_NAME = "datasets"
_LOCK_NAME = ".lock"


@dataclass(frozen=True)
class ImageFile:
    """A file in a class folder; it may not be an image."""

    path: Path
    bytes: int


@dataclass(frozen=True)
class LabelledFolder:
    """Listing of a data set at one time; no file has been opened.

    Attributes:
        files: by class; classes and files are sorted by name, and a class may be empty. Folders whose names differ only
            in their Unicode normal form are one class.
        skipped: ignored entries: path within the data set, formatted by `shown`, and reason.
    """

    name: str
    path: Path
    files: Mapping[str, tuple[ImageFile, ...]]
    skipped: tuple[tuple[str, str], ...]

    @property
    def data(self) -> str:
        """Name in commands and jobs, such as `folder:pets`."""
        return FOLDER_PREFIX + self.name

    @property
    def images(self) -> int:
        """Number of files in all classes."""
        return sum(len(files) for files in self.files.values())

    @property
    def bytes(self) -> int:
        """Size of all files in bytes."""
        return sum(file.bytes for files in self.files.values() for file in files)

    @cached_property
    def digest(self) -> str:
        """sha256 of classes, file names and sizes, as 64 hexadecimal digits.

        Contents are not read. Uploaded files are named by their content, so equal digests mean equal images.
        """
        digest = hashlib.sha256()
        for label, files in self.files.items():
            digest.update(f"{label}\0".encode())
            for file in files:
                digest.update(f"{file.path.name}\0{file.bytes}\0".encode("utf-8", "surrogateescape"))
            digest.update(b"\0")
        return digest.hexdigest()

    def shortfalls(self) -> list[str]:
        """Reasons against training on the data set, a phrase each; empty if it is trainable."""
        return shortfalls({label: len(files) for label, files in self.files.items()})


def shortfalls(images: Mapping[str, int]) -> list[str]:
    """Reasons against training, a phrase each, from the number of images of each class; empty if trainable."""
    found = []
    if len(images) < MIN_CLASSES:
        found.append(f"it has {_counted(len(images), 'class', 'classes')} and needs at least {MIN_CLASSES}")
    if len(images) > MAX_CLASSES:
        found.append(f"it has {len(images):,} classes, the limit is {MAX_CLASSES:,}")
    for label, count in images.items():
        if count < MIN_IMAGES_PER_CLASS:
            has = "is empty" if not count else f"has {_counted(count, 'image', 'images')}"
            found.append(f"class {label!r} {has} and needs at least {MIN_IMAGES_PER_CLASS}")
    return found


def folder_of(data: str) -> str | None:
    """NAME of `folder:NAME`; None for a built-in data set."""
    return data.removeprefix(FOLDER_PREFIX) if data.startswith(FOLDER_PREFIX) else None


def default_family(kind: str, data: str) -> str:
    """Default family of a network of this kind.

    Raises:
        ConfigurationError: `data` is a folder, whose classes do not fit the default family.
    """
    if folder_of(data) is not None:
        raise ConfigurationError(
            f"no family given: {data} has other classes than the versions of {kind}, so name a family to publish under"
        )
    return kind


def datasets_folder(home: Path) -> Path:
    """Folder of all labeled folders; it may not exist."""
    return home / DATASETS_NAME


def dataset_folder(home: Path, name: str) -> Path:
    """Folder of the data set `name`; it may not exist.

    Raises:
        DataError: the name is not valid or reserved.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise DataError(f"{name!r} is not a valid data set name: use {NAME_RULE}, such as my-pets")
    if name in RESERVED_NAMES:
        raise DataError(f"{name!r} is the name of a built-in data set: choose another name")
    return datasets_folder(home) / name


def normalized_label(text: str) -> str:
    """Class name in Unicode normal form NFC. macOS decomposes the accents of file names (NFD)."""
    return unicodedata.normalize("NFC", text)


def label_problem(label: str) -> str | None:
    """Problem of `label`, from `normalized_label`, as the name of a class and its folder; a phrase, None if valid."""
    if not 0 < len(label) <= MAX_LABEL_CHARACTERS:
        return f"a class name must have 1 to {MAX_LABEL_CHARACTERS} characters"
    if not label.isprintable() or "/" in label or "\\" in label:
        return "a class name must not contain slashes or unprintable characters"
    if label.startswith(".") or label != label.strip():
        return "a class name must not begin with a dot, nor begin or end with a space"
    if len(label.encode()) > 255:
        return "a class name must fit into 255 bytes"
    return None


def shown(path: str) -> str:
    r"""A path as printable text; bytes that are not UTF-8 are escaped, such as `\xe9`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def dataset_names(home: Path) -> list[str]:
    """Names of the existing data sets, sorted."""
    return sorted(
        entry.name
        for entry in _entries(datasets_folder(home))
        if entry.is_dir(follow_symlinks=False)
        and re.fullmatch(NAME_PATTERN, entry.name)
        and entry.name not in RESERVED_NAMES
    )


def read_folder(home: Path, name: str) -> LabelledFolder:
    """List the data set `name`, under the lock that uploads hold while they move files.

    Where this process cannot write, it lists without the lock.

    Raises:
        DataError: the name is not valid.
        UnknownDatasetError: there is no such data set; the message lists the existing ones.
    """
    path = dataset_folder(home, name)
    if path.is_symlink() or not path.is_dir():
        raise UnknownDatasetError(name, dataset_names(home), linked=path.is_symlink())
    with changing(home) if os.access(path.parent, os.W_OK) else nullcontext():
        return _listed(name, path)


def changing(home: Path) -> AbstractContextManager[None]:
    """Lock for listings and file moves, shared by all data sets and processes; the folder exists."""
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
        label = normalized_label(entry.name)
        files[label] = (*files.get(label, ()), *found)
    return LabelledFolder(name, path, dict(sorted(files.items())), tuple(skipped))


def _class_problem(entry: os.DirEntry[str]) -> str | None:
    if entry.is_symlink():
        return "a link, which is not followed: it may leave the folder of data sets"
    if not entry.is_dir():
        return "not in a class folder"
    return label_problem(normalized_label(entry.name))


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

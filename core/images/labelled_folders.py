"""Labeled image folders, the data sets of users: DUET_HOME/datasets/<name>/<class>/<image>.

Folders are made by `POST /datasets/{name}` or by hand; `core.images.folder_layouts` has the other layouts of folders
made by hand. File types are recognized by content, not by name.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from core.errors import ConfigurationError, DataError, UnknownDatasetError
from core.files.durable import file_lock
from core.images.class_labels import normalized_label
from core.images.edit_journal import edited_files, labels_after, read_edits
from core.images.folder_layouts import ImageFile, Layout, list_folders, visible_entries
from core.images.label_table import has_table, list_table

FOLDER_PREFIX = "folder:"
"""Prefix of such data sets in commands and jobs, as in `folder:pets`."""
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
NAME_RULE = "up to 64 lower-case letters, digits, - and _, starting with a letter or digit"
RESERVED_NAMES = frozenset({"cifar10"})
"""Built-in data sets; CIFAR-10 is downloaded into the same folder."""
MIN_CLASSES = 2
MAX_CLASSES = 1_000
MIN_IMAGES_PER_CLASS = 2
"""One image each for train and holdout. Only larger classes have test and validation images."""
MIN_FURTHER_IMAGES = 2
"""Images beyond the minimum of all classes together: one each for validation and test."""
UNEQUAL_CLASSES = 3
"""Ratio of the largest to the smallest class above which a training draws every class equally often by default."""

DATASETS_NAME = "datasets"
_LOCK_NAME = ".lock"


@dataclass(frozen=True)
class LabelledFolder:
    """Listing of a data set at one time; no file has been opened.

    Attributes:
        files: by class; classes and files are sorted by name, and a class may be empty. Folders whose names differ only
            in their Unicode normal form are one class. The journal of edits is applied, see `core.images.edit_journal`.
        stored: files by the class that their folder or the table gives, without edits; includes removed images.
        skipped: ignored entries: path within the data set, formatted by `shown`, and reason.
        layout: arrangement of the files in the folder.
    """

    name: str
    path: Path
    files: Mapping[str, tuple[ImageFile, ...]]
    stored: Mapping[str, tuple[ImageFile, ...]]
    skipped: tuple[tuple[str, str], ...]
    layout: Layout = "classes"

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
        """Size of all files in bytes, without removed images."""
        return sum(file.bytes for files in self.files.values() for file in files)

    @property
    def stored_images(self) -> int:
        """Number of files on the disk."""
        return sum(len(files) for files in self.stored.values())

    @property
    def stored_bytes(self) -> int:
        """Size of all files on the disk in bytes."""
        return sum(file.bytes for files in self.stored.values() for file in files)

    @cached_property
    def digest(self) -> str:
        """sha256 of classes, file names, sizes and given parts, as 64 hexadecimal digits.

        Contents are not read. Uploaded files are named by their content, so equal digests mean equal images.
        """
        digest = hashlib.sha256()
        for label, files in self.files.items():
            digest.update(f"{label}\0".encode())
            for file in files:
                entry = f"{file.name}\0{file.bytes}\0{file.part or ''}\0"
                digest.update(entry.encode("utf-8", "surrogateescape"))
            digest.update(b"\0")
        return digest.hexdigest()

    @property
    def takes_uploads(self) -> bool:
        """True if uploads of class folders can join the data set: it has no table, and no folder around its classes."""
        depth = 1 if self.layout == "parts" else 0
        tops = {(label, normalized_label(file.name.split("/")[depth])) for label, file in self._stored}
        return self.layout != "table" and all(label == top for label, top in tops)

    @property
    def _stored(self) -> Iterator[tuple[str, ImageFile]]:
        return ((label, file) for label, files in self.stored.items() for file in files)

    def edited(self, labels: Mapping[tuple[str, int], str | None]) -> LabelledFolder:
        """The data set after edits: class of each edited image by file name and size, None if it is removed."""
        current = {(file.name, file.bytes): label for label, files in self.files.items() for file in files}
        removed: dict[tuple[str, int], str | None] = {
            (file.name, file.bytes): None for _, file in self._stored if (file.name, file.bytes) not in current
        }
        return replace(self, files=edited_files(self.stored, removed | current | dict(labels)))

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
    further = sum(images.values()) - MIN_IMAGES_PER_CLASS * len(images)
    if not found and further < MIN_FURTHER_IMAGES:
        found.append(
            f"its classes have {_counted(further, 'image', 'images')} beyond {MIN_IMAGES_PER_CLASS} each and need at "
            f"least {MIN_FURTHER_IMAGES} for validation and test"
        )
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


def dataset_names(home: Path) -> list[str]:
    """Names of the existing data sets, sorted."""
    return sorted(
        entry.name
        for entry in visible_entries(datasets_folder(home))
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
        return list_dataset(name, path)


def changing(home: Path) -> AbstractContextManager[None]:
    """Lock for listings and file moves, shared by all data sets and processes; the folder exists."""
    return file_lock(datasets_folder(home) / _LOCK_NAME)


def list_dataset(name: str, path: Path) -> LabelledFolder:
    """List the data set `name` in the folder `path`, without a lock; a missing folder has no classes.

    Raises:
        DataError: a folder, the table or the journal of edits cannot be read.
    """
    listing = list_table(path) if has_table(path) else list_folders(path)
    files = {label: tuple(sorted(files, key=lambda file: file.name)) for label, files in sorted(listing.files.items())}
    folder = LabelledFolder(name, path, files, files, tuple(listing.skipped), listing.layout)
    edits = read_edits(path)
    return folder.edited(labels_after(edits)) if edits else folder


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"

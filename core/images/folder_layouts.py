"""Layouts of image folders: class folders, parts with class folders, and a table of paths and labels.

    classes   cat/1.png  dog/2.png                       a folder per class, with any folders inside
    parts     train/cat/1.png  test/cat/2.png            a folder per part, with a folder per class
    table     labels.csv  anywhere/1.png                 a line per image; see `core.images.label_table`

A single folder around the class folders or parts is skipped. Links are not followed. Hidden files and system files such
as `Thumbs.db` are ignored.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Literal

from core.errors import DataError
from core.images.class_labels import label_problem, normalized_label, shown

Layout = Literal["classes", "parts", "table"]
Part = Literal["train", "validation", "holdout", "test"]

TABLE_NAME = "labels.csv"
SYSTEM_FILES = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
"""Files and folders of operating systems, which are ignored like hidden ones."""
PART_NAMES: MappingProxyType[str, Part] = MappingProxyType(
    {
        "train": "train",
        "training": "train",
        "val": "validation",
        "valid": "validation",
        "validation": "validation",
        "holdout": "holdout",
        "test": "test",
        "testing": "test",
    }
)
"""Part of the images by folder name, in lower case."""
_LINK = "a link, which is not followed: it may leave the folder of data sets"


@dataclass(frozen=True)
class ImageFile:
    """A file of a class; it may not be an image.

    Attributes:
        path: location of the file.
        bytes: size.
        name: path within the data set, with `/`.
        part: part that the folder or table gives; None if it gives none.
    """

    path: Path
    bytes: int
    name: str
    part: Part | None = None


@dataclass(frozen=True)
class Listing:
    """Files of a data set by class, and ignored entries with reasons; `skipped` has names from `shown`."""

    layout: Layout
    files: dict[str, list[ImageFile]]
    skipped: list[tuple[str, str]]

    def add(self, label: str, files: list[ImageFile]) -> None:
        """Add files to a class, which is created if it is new."""
        self.files.setdefault(label, []).extend(files)


def list_folders(root: Path) -> Listing:
    """List class folders, or parts with class folders.

    Raises:
        DataError: a folder cannot be read.
    """
    wrapper = _wrapper(root)
    parts = _parts(root / wrapper)
    listing = Listing("parts" if parts else "classes", {}, [])
    for entry in visible_entries(root / wrapper):
        if parts and entry.is_dir(follow_symlinks=False):
            for inner in visible_entries(Path(entry.path)):
                _add_class(listing, root, inner, parts[entry.name])
        else:
            _add_class(listing, root, entry, None)
    if wrapper:
        stray = [entry.name for entry in visible_entries(root) if entry.name != wrapper]
        listing.skipped.extend((shown(name), "not in a class folder") for name in stray)
    return listing


def visible_entries(folder: Path) -> list[os.DirEntry[str]]:
    """Entries of a folder, sorted by name, without hidden files and system files; empty if it does not exist.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not is_ignored(entry.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}") from error
    return sorted(found, key=lambda entry: entry.name)


def is_ignored(name: str) -> bool:
    """True for hidden files and for system files."""
    return name.startswith(".") or name in SYSTEM_FILES


def parts_of_names(folders: Collection[str]) -> dict[str, Part]:
    """Part of each folder by its name; empty unless these are several folders, all of them parts, with `train`."""
    parts = {name: PART_NAMES[name.lower()] for name in folders if name.lower() in PART_NAMES}
    return parts if len(parts) >= max(2, len(folders)) and "train" in parts.values() else {}


def _wrapper(root: Path) -> str:
    """Name of the only folder in `root` if it has folders and no files; empty without one."""
    folders = [entry for entry in visible_entries(root) if entry.is_dir(follow_symlinks=False)]
    if len(folders) != 1:
        return ""
    inside = visible_entries(Path(folders[0].path))
    is_wrapper = len(inside) > 1 and all(entry.is_dir(follow_symlinks=False) for entry in inside)
    return folders[0].name if is_wrapper else ""


def _parts(folder: Path) -> dict[str, Part]:
    """Part of each folder in `folder`; empty unless all are parts, `train` is one of them, and all have only folders.

    A folder `train` with images is a class of that name.
    """
    folders = [entry for entry in visible_entries(folder) if entry.is_dir(follow_symlinks=False)]
    parts = parts_of_names({entry.name for entry in folders})
    inside = [visible_entries(Path(entry.path)) for entry in folders]
    only_folders = all(entry.is_dir(follow_symlinks=False) for entries in inside for entry in entries)
    return parts if only_folders and all(inside) else {}


def _add_class(listing: Listing, root: Path, entry: os.DirEntry[str], part: Part | None) -> None:
    label = normalized_label(entry.name)
    problem = _class_problem(entry, label)
    if problem is not None:
        listing.skipped.append((shown(_name(root, entry)), problem))
        return
    listing.add(label, list(_files(listing, root, Path(entry.path), part)))


def _files(listing: Listing, root: Path, folder: Path, part: Part | None) -> Iterator[ImageFile]:
    for entry in visible_entries(folder):
        name = _name(root, entry)
        if entry.is_dir(follow_symlinks=False):
            yield from _files(listing, root, Path(entry.path), part)
        elif entry.is_file(follow_symlinks=False):
            yield ImageFile(Path(entry.path), entry.stat(follow_symlinks=False).st_size, name, part)
        else:
            kind = "a link, which is not followed" if entry.is_symlink() else "not a file"
            listing.skipped.append((shown(name), kind))


def _class_problem(entry: os.DirEntry[str], label: str) -> str | None:
    if entry.is_symlink():
        return _LINK
    return label_problem(label) if entry.is_dir() else "not in a class folder"


def _name(root: Path, entry: os.DirEntry[str]) -> str:
    return PurePosixPath(Path(entry.path).relative_to(root)).as_posix()

"""Integrity check: compares the files of a version with the hashes in its manifest."""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath

from core.repository.manifest import MANIFEST_NAME, FileRecord, Manifest, sha256_of


def file_problems(folder: Path, manifest: Manifest) -> list[str]:
    """Hash every file in the manifest; one message for each file that differs.

    Files that are not in the manifest are ignored.
    """
    problems = [(name, file_problem(folder, name, record)) for name, record in sorted(manifest.files.items())]
    return [f"{name}: {problem}" for name, problem in problems if problem]


def unlisted_files(folder: Path, manifest: Manifest) -> list[str]:
    """Names, relative to `folder`, of the files that are not in the manifest, without manifest.json."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return sorted(found - manifest.files.keys() - {MANIFEST_NAME})


def file_problem(folder: Path, name: str, record: FileRecord) -> str | None:
    """Problem of one file of the version in `folder`, which is hashed; None if it matches the record."""
    if not is_plain_name(name):
        return "not a plain relative file name"
    path = folder / name
    try:
        if not path.resolve(strict=True).is_relative_to(folder.resolve()):
            return "is outside of the version's folder"
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "not a regular file"
        if status.st_size != record.bytes:
            return f"{status.st_size} bytes instead of {record.bytes}"
        digest = sha256_of(path)
    except FileNotFoundError:
        return "missing"
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links, before Python 3.13
        return f"cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"
    return None if digest == record.sha256 else f"sha256 is {digest} instead of {record.sha256}"


def is_plain_name(name: str) -> bool:
    """True if `name` is a relative path inside the folder on every platform."""
    if not name or "\\" in name or ":" in name or not name.isprintable() or name == MANIFEST_NAME:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.as_posix() == name and name != "."

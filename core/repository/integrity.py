"""Whether the files of a version are those that its manifest names."""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath

from core.repository.manifest import MANIFEST_NAME, FileRecord, Manifest, sha256_of


def file_problems(folder: Path, manifest: Manifest) -> list[str]:
    """Re-hash every file that the manifest names; one sentence for each that is not as recorded.

    A file that the manifest does not name is no part of the version and is not looked at.
    """
    problems = [(name, file_problem(folder, name, record)) for name, record in sorted(manifest.files.items())]
    return [f"{name}: {problem}" for name, problem in problems if problem]


def unlisted_files(folder: Path, manifest: Manifest) -> list[str]:
    """Names, relative to `folder`, of files other than manifest.json that the manifest leaves out."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return sorted(found - manifest.files.keys() - {MANIFEST_NAME})


def file_problem(folder: Path, name: str, record: FileRecord) -> str | None:
    """What is wrong with one file of the version in `folder`, hashed now; None where it is as recorded."""
    if not _is_plain(name):
        return "not a plain relative file name"
    path = folder / name
    try:
        if not path.resolve(strict=True).is_relative_to(folder.resolve()):
            return "leads out of the version's folder"
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "not a regular file"
        if status.st_size != record.bytes:
            return f"{status.st_size} bytes instead of {record.bytes}"
        digest = sha256_of(path)
    except FileNotFoundError:
        return "missing"
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links, before Python 3.13
        return f"cannot be read ({error})"
    return None if digest == record.sha256 else f"sha256 is {digest} instead of {record.sha256}"


def _is_plain(name: str) -> bool:
    """Whether `name` stays inside a folder by its spelling alone, the same on every platform."""
    if not name or "\\" in name or ":" in name or not name.isprintable() or name == MANIFEST_NAME:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.as_posix() == name and name != "."

"""Files to predict: listing of folders, and reading of one file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import DataError, ImageError
from core.files.regular import open_regular
from core.images.class_labels import shown
from core.images.folder_layouts import visible_entries
from core.images.limits import MAX_FILE_BYTES


def list_files(paths: Sequence[Path], *, without: Sequence[Path]) -> dict[str, Path]:
    """Files to predict by row name: the given files and all files in the given folders, sorted, without duplicates.

    Hidden and system files in folders are left out, and so are links to folders.

    Args:
        paths: files and folders.
        without: files to leave out, such as the output.

    Raises:
        DataError: a path does not exist, a folder cannot be read, or there is no file.
    """
    left_out = {path.absolute() for path in without}
    found: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise DataError(f"there is no file or folder {shown(str(path))}: name an existing one")
        for file in _inside(path) if path.is_dir() else (path,):
            if file.absolute() not in left_out:
                found.setdefault(shown(file.as_posix()), file)
    if not found:
        raise DataError(f"there is no file in {', '.join(shown(str(path)) for path in paths)}: name a folder of images")
    return found


def read_file(path: Path) -> bytes:
    """Content of a regular file.

    Raises:
        ImageError: it cannot be read, or is too large.
    """
    try:
        with open_regular(path) as stream:
            if os.fstat(stream.fileno()).st_size > MAX_FILE_BYTES:
                raise ImageError(f"larger than {MAX_FILE_BYTES:,} bytes")
            return stream.read()
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from error


def _inside(folder: Path) -> Iterator[Path]:
    for entry in visible_entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _inside(Path(entry.path))
        elif not entry.is_dir():
            yield Path(entry.path)

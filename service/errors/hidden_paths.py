"""Hiding of the server's paths in responses; the log of the service has them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.repository.repository import ModelRepository

Patterns = tuple[tuple[re.Pattern[str], str], ...]
_END = r"(?![\w.-])"
"""End of a path: what follows is not part of the name of its last folder."""


@dataclass(frozen=True)
class PathsInBytes:
    """Paths of the server as they occur in files.

    Attributes:
        pattern: matches each path.
        names: name that takes the place of each path, such as `DUET_HOME`.
        max_bytes: length of the longest path.
    """

    pattern: re.Pattern[bytes]
    names: Mapping[bytes, bytes]
    max_bytes: int

    def unfinished(self, text: bytes) -> int:
        """Length of the longest end of `text` with which a path begins, or which is a path; 0 if there is none."""
        lengths = range(min(len(text), self.max_bytes), 0, -1)
        return next((size for size in lengths if any(path.startswith(text[-size:]) for path in self.names)), 0)


def hide_paths(value: Any, **folders: Path | None) -> Any:
    """Replace paths in a text, or in all texts of a JSON value.

    Args:
        value: text or JSON value.
        folders: path by the name that takes its place, such as `DUET_HOME`.
    """
    return _hidden(value, _patterns(tuple(folders.items())))


def hide_repository_paths(value: Any, repository: ModelRepository) -> Any:
    """Replace the paths of a repository's folders, as `hide_paths` does."""
    return hide_paths(value, DUET_HOME=repository.home_models.parent, DUET_SHIPPED_MODELS=repository.shipped)


def paths_in_bytes(**folders: Path | None) -> PathsInBytes:
    """Return the paths that `hide_paths` replaces, for files; at least one folder is not None."""
    names = {os.fsencode(path): name.encode() for path, name in _longest_first(tuple(folders.items()))}
    pattern = re.compile(b"(?:" + b"|".join(map(re.escape, names)) + b")" + _END.encode())
    return PathsInBytes(pattern, names, max(map(len, names)))


@lru_cache(16)
def _patterns(folders: tuple[tuple[str, Path | None], ...]) -> Patterns:
    return tuple((re.compile(re.escape(path) + _END), name) for path, name in _longest_first(folders))


def _longest_first(folders: tuple[tuple[str, Path | None], ...]) -> list[tuple[str, str]]:
    return sorted(((str(path), name) for name, path in folders if path), key=lambda each: -len(each[0]))


def _hidden(value: Any, patterns: Patterns) -> Any:
    match value:
        case str():
            for pattern, name in patterns:
                value = pattern.sub(name, value)
            return value
        case Mapping():
            return {key: _hidden(each, patterns) for key, each in value.items()}
        case list() | tuple():
            return [_hidden(each, patterns) for each in value]
        case _:
            return value

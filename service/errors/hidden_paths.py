"""Hiding of the server's paths in responses; the log has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

Patterns = tuple[tuple[re.Pattern[str], str], ...]


def hide_paths(value: Any, **folders: Path | None) -> Any:
    """Replace paths in a text, or in all texts of a JSON value.

    Args:
        value: text or JSON value.
        folders: path by the name that takes its place, such as `DUET_HOME`.
    """
    return _hidden(value, _patterns(tuple(folders.items())))


@lru_cache(16)
def _patterns(folders: tuple[tuple[str, Path | None], ...]) -> Patterns:
    named = sorted(((str(path), name) for name, path in folders if path), key=lambda each: -len(each[0]))
    return tuple((re.compile(re.escape(path) + r"(?![\w.-])"), name) for path, name in named)


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

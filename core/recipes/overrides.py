"""Overrides of a recipe's settings: dotted keys, their values, and errors that name the setting."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from core.errors import ConfigurationError, SettingsError, did_you_mean


def parse_override(text: str) -> tuple[str, Any]:
    """Split `key=value`; the value is parsed as JSON if possible, else it is a string.

    Raises:
        ConfigurationError: the text has no key or no `=`.
    """
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise ConfigurationError(f"{text!r} is not of the form key=value, such as epochs=3")
    try:
        return key.strip(), json.loads(value)
    except json.JSONDecodeError:
        return key.strip(), value


def flattened(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested dictionaries by their dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def unknown_setting(key: str, recipe: str, node: dict[str, Any], tree: dict[str, Any]) -> SettingsError:
    """Return the error for a dotted key that is not in `tree`; `node` has the settings beside it."""
    listed = ", ".join(sorted(node))
    suggestion = did_you_mean(key, flattened(tree))
    message = f"unknown setting {key!r} of recipe {recipe!r}{suggestion}: available settings are {listed}"
    return SettingsError(message, [(key, message)])


def causes(error: ValidationError) -> list[ErrorDetails]:
    """The problems without those that follow from others: a list is too short after its invalid items are left out."""
    problems = error.errors()
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(
            other["loc"][: len(problem["loc"])] == problem["loc"] and len(other["loc"]) > len(problem["loc"])
            for other in problems
        )
    ]


def setting_name(location: Sequence[str | int], tree: dict[str, Any]) -> str:
    """The dotted setting of a pydantic error location, without union tags and list indices."""
    names: list[str] = []
    node: Any = tree
    for part in location:
        if isinstance(node, dict) and part in node:
            names.append(str(part))
            node = node[part]
    return ".".join(names)

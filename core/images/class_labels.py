"""Class names of data sets, which are names of folders or labels of a table."""

from __future__ import annotations

import os
import unicodedata

MAX_LABEL_CHARACTERS = 100


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

"""Text files are read and written as UTF-8 in every locale."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("core", "training", "service", "duet", "benchmarks", "docs", "docker")
TEXT_MODES = {"r", "w", "a", "x", "r+", "w+", "a+", "rt", "wt", "at"}


def opens_text_in_the_locale(call: ast.Call) -> bool:
    """Return whether the call opens a text file without an encoding, also on paths whose type ruff cannot infer."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if any(keyword.arg == "encoding" for keyword in call.keywords):
        return False
    modes = {argument.value for argument in call.args if isinstance(argument, ast.Constant)}
    return name in ("read_text", "write_text") or (name in ("open", "fdopen") and bool(modes & TEXT_MODES))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_text_file_is_opened_with_an_encoding(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and opens_text_in_the_locale(node)
    ]
    assert found == []

"""The version number of the project: pyproject.toml alone has it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import duet
from core.release import release

ROOT = Path(__file__).resolve().parents[2]
NUMBER = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def test_installed_version_is_this_release() -> None:
    assert release() == NUMBER, "the project was installed before pyproject.toml changed: install it again"
    assert duet.__version__ == NUMBER


def test_openapi_has_the_version() -> None:
    assert json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))["info"]["version"] == NUMBER


def test_newest_release_in_the_changelog_is_the_version() -> None:
    headings = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == NUMBER


def test_version_number_is_only_in_pyproject() -> None:
    saying = [
        str(path.relative_to(ROOT))
        for package in ("core", "service", "training", "duet")
        for path in (ROOT / package).rglob("*.py")
        if f'"{NUMBER}"' in path.read_text(encoding="utf-8")
    ]
    assert saying == []

"""Release number: pyproject.toml is its only source."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import duet
from core.release import release

ROOT = Path(__file__).resolve().parents[2]
NUMBER = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def test_installed_version_is_the_release() -> None:
    assert release() == NUMBER, "the project was installed before pyproject.toml changed: install it again"
    assert duet.__version__ == NUMBER


def test_openapi_version_is_the_release() -> None:
    assert json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))["info"]["version"] == NUMBER


def test_changelog_begins_with_the_release() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    unreleased, newest = (headings[:1], headings[1]) if headings[0] == "Unreleased" else ([], headings[0])
    assert newest == NUMBER
    assert "Unreleased" not in headings[len(unreleased) :]


def test_release_is_defined_once_in_the_code() -> None:
    saying = [
        str(path.relative_to(ROOT))
        for package in ("core", "service", "training", "duet")
        for path in (ROOT / package).rglob("*.py")
        if f'"{NUMBER}"' in path.read_text(encoding="utf-8")
    ]
    assert saying == []

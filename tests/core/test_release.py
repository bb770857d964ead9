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


def test_what_is_installed_is_this_release() -> None:
    assert release() == NUMBER, "the project was installed before pyproject.toml changed: install it again"
    assert duet.__version__ == NUMBER


def test_the_description_of_the_api_says_it() -> None:
    assert json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))["info"]["version"] == NUMBER


def test_the_changelog_begins_with_it() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    unreleased, newest = (headings[:1], headings[1]) if headings[0] == "Unreleased" else ([], headings[0])
    assert newest == NUMBER
    assert "Unreleased" not in headings[len(unreleased) :]


def test_no_code_says_it_a_second_time() -> None:
    saying = [
        str(path.relative_to(ROOT))
        for package in ("core", "service", "training", "duet")
        for path in (ROOT / package).rglob("*.py")
        if f'"{NUMBER}"' in path.read_text(encoding="utf-8")
    ]
    assert saying == []

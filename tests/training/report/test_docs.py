"""docs/findings.md is what the shipped champions and their records make it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.training.report.conftest import ROOT
from training.report.findings import Findings
from training.report.render import linked_figures, markdown

PAGE = ROOT / "docs" / "findings.md"
RENEW = "run: duet report --docs"
_LARGEST = 3_000_000
"""Bytes of all records and pictures of the page."""


@pytest.fixture(scope="module")
def figures() -> dict[str, Path]:
    return {path.stem: path for path in (ROOT / "docs" / "findings").iterdir()}


def test_the_page_is_what_versions_and_records_make_it(shipped: Findings) -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(shipped), RENEW


def test_the_page_shows_every_picture_and_no_picture_lies_about(figures: dict[str, Path]) -> None:
    assert sorted(linked_figures(PAGE.read_text(encoding="utf-8"))) == sorted(figures), RENEW


def test_pictures_are_of_these_versions(figures: dict[str, Path], shipped: Findings) -> None:
    for name in ("curves", "classes", "reliability", "robustness-means", "explanations-checks", "mistakes-patterns"):
        text = " ".join(ElementTree.parse(figures[name]).getroot().itertext())
        for side in shipped.sides:
            assert side.reference in text, (name, RENEW)


def test_records_and_pictures_are_small() -> None:
    folders = (ROOT / "docs" / "findings", ROOT / "models" / "reports")
    assert sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()) < _LARGEST

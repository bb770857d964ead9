"""docs/findings.md and its figures match the shipped champions and their records."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree

import pytest

from core.records.base import read_report
from tests.training.analysis.report.conftest import ROOT
from training.analysis.report.findings import Findings
from training.analysis.report.render import findings_page, linked_figures, report_page
from training.analysis.report.write import SOURCES_NAME, Sources, sources

PAGE, FIGURES = ROOT / "docs" / "findings.md", ROOT / "docs" / "findings"
RENEW = "run: duet report --docs"
_LARGEST = 3_500_000
"""Maximum size of all records and figures of the page in bytes."""


@pytest.fixture(scope="module")
def figures() -> dict[str, Path]:
    return {path.stem: path for path in FIGURES.glob("*.svg")}


def test_findings_page_matches_the_records(shipped: Findings) -> None:
    assert PAGE.read_text(encoding="utf-8") == findings_page(shipped), RENEW


def test_findings_folder_has_exactly_the_linked_figures(figures: dict[str, Path]) -> None:
    assert sorted(linked_figures(PAGE.read_text(encoding="utf-8"))) == sorted(figures), RENEW
    assert {path for path in FIGURES.iterdir() if path not in figures.values()} == {FIGURES / SOURCES_NAME}, RENEW


def test_report_draws_every_figure_of_the_findings_page(shipped: Findings) -> None:
    assert set(linked_figures(findings_page(shipped))) <= set(linked_figures(report_page(shipped)))


def test_figures_match_the_digests_of_their_sources(shipped: Findings) -> None:
    assert read_report(FIGURES / SOURCES_NAME, Sources) == sources(shipped, FIGURES), RENEW


@pytest.mark.parametrize("part", ["manifests", "records", "pictures"])
def test_sources_change_with_each_part(shipped: Findings, tmp_path: Path, part: str) -> None:
    (tmp_path / "curves.svg").write_text("<svg/>")
    drawn = sources(shipped, tmp_path)
    if part == "pictures":
        (tmp_path / "curves.svg").write_text("<svg></svg>")
        changed = shipped
    elif part == "records":
        levels = shipped.first.robustness.model_copy(update={"seed": 7})
        changed = dataclasses.replace(shipped, first=dataclasses.replace(shipped.first, robustness=levels))
    else:
        manifest = shipped.second.manifest.model_copy(update={"seed": 7})
        changed = dataclasses.replace(shipped, second=dataclasses.replace(shipped.second, manifest=manifest))
    now = sources(changed, tmp_path)
    differing = {name for name in Sources.model_fields if getattr(now, name) != getattr(drawn, name)}
    assert differing == {part}


def test_figures_name_the_compared_versions(figures: dict[str, Path], shipped: Findings) -> None:
    for name in ("curves", "classes", "reliability", "robustness-means", "explanations-checks", "mistakes-patterns"):
        text = " ".join(ElementTree.parse(figures[name]).getroot().itertext())
        for side in shipped.sides:
            assert side.reference in text, (name, RENEW)


def test_records_and_pictures_are_small() -> None:
    folders = (FIGURES, ROOT / "models" / "reports")
    assert sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()) < _LARGEST

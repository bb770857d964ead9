from __future__ import annotations

import dataclasses
import re

import pytest

from training.analysis.report.findings import Findings
from training.analysis.report.render import html, linked_figures, report_page

SVG = '<svg viewBox="0 0 1 1"><g id="figure_1"></g></svg>'


@pytest.fixture(scope="module")
def text(shipped: Findings) -> str:
    return report_page(shipped)


@pytest.fixture(scope="module")
def page(text: str) -> str:
    return html(text, dict.fromkeys(linked_figures(text), SVG))


def test_report_page_has_every_number(text: str, shipped: Findings) -> None:
    for side in shipped.sides:
        assert f"{side.scores.accuracy.value:.1%}" in text
        assert f"{side.manifest.cost.parameters:,}" in text
        for method in side.explanations.methods:
            for failed in method.failed:
                assert re.search(rf"(\*\*fails\*\*|undecided).*{failed}", text)
    assert "None" not in text
    assert not re.search(r"\bnan\b", text)
    assert "{{" not in text
    assert "\n\n\n" not in text


def test_report_page_has_all_sections(text: str) -> None:
    found = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert found == [
        "Summary", "Data", "Training", "Evaluation", "Calibration", "Robustness", "Interpretation", "Mistakes",
        "Studies", "Cost",
    ]  # fmt: skip


def test_report_page_draws_no_conclusions(shipped: Findings) -> None:
    swapped = report_page(dataclasses.replace(shipped, first=shipped.second, second=shipped.first))
    assert "# cnn@5 and mlp@4 on cifar10" in swapped
    assert not re.search(r"\b(should|better|worse|ahead|wins)\b", swapped)


def test_html_is_self_contained(page: str) -> None:
    assert not re.search(r"\bsrc=", page)
    assert all(link.startswith("#") for link in re.findall(r'\bhref="([^"]*)"', page))
    assert "url(http" not in page
    assert "@import" not in page


def test_html_has_each_figure_and_id_once(page: str, text: str) -> None:
    names = linked_figures(text)
    assert len(names) == len(set(names)) == page.count("<figure>")
    assert "<p><figure" not in page
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_html_links_to_every_section(page: str) -> None:
    anchors = re.findall(r'<a href="#([^"]*)"', page)
    assert len(anchors) == 10
    for anchor in anchors:
        assert f'<h2 id="{anchor}">' in page


def test_html_escapes_names(shipped: Findings) -> None:
    page = html('# <b>x</b>\n\n![a "b" <i>](findings/one.svg)\n', {"one": SVG})
    assert "<b>x" not in page
    assert 'aria-label="a &quot;b&quot; &lt;i&gt;"' in page

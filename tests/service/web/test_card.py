"""Model cards as HTML."""

from __future__ import annotations

import pytest

from service.web.card import card_html
from tests.support.problems import assert_problem
from tests.support.service import RunningApp

PATH = "/models/cnn/versions/2"


def test_card_html_omits_front_matter_and_lowers_headings() -> None:
    assert card_html("---\nlicense: apache-2.0\n---\n\n# cnn@2\n\n## Data\n", PATH) == "<h3>cnn@2</h3>\n<h4>Data</h4>\n"
    assert card_html("---\nno end", PATH) == "<hr />\n<p>no end</p>\n"


@pytest.mark.parametrize(
    ("card", "shown"),
    [
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ("`<b>` **bold**", "<p><code>&lt;b&gt;</code> <strong>bold</strong></p>"),
        ("[a](https://a.example/x)", '<p><a href="https://a.example/x" rel="noopener noreferrer">a</a></p>'),
        ("[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>"),
        ("[a](/session)", "<p>[a](/session)</p>"),
        ('![x "y](figures/a.png)', f'<p><img src="{PATH}/figures/a.png" alt="x &quot;y" /></p>'),
        ("![x](figures/../a.png)", "<p>![x](figures/../a.png)</p>"),
        ("![x](https://a.example/x.png)", "<p>![x](https://a.example/x.png)</p>"),
    ],
)
def test_card_html_shows_only_safe_links_and_own_figures(card: str, shown: str) -> None:
    assert card_html(card, PATH) == f"{shown}\n"


def test_card_html_tables_have_headers() -> None:
    html = card_html("| class | F1 |\n|---|---|\n| cat | 0.9 |\n", PATH)
    assert '<th scope="col">class</th>' in html
    assert '<th scope="row">cat</th>\n<td>0.9</td>' in html
    assert html.startswith('<div class="table-box" tabindex="0"')
    assert "<thead>" not in card_html("| | |\n|---|---|\n| cat | 0.9 |\n", PATH)


async def test_card_route_returns_html_under_the_policy(running: RunningApp) -> None:
    card = await running.client.get("/ui/models/cnn/versions/1/card")
    assert (card.status_code, card.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "require-trusted-types-for" in card.headers["content-security-policy"]
    assert_problem(await running.client.get("/ui/models/cnn/versions/9/card"), 404, "unknown-version")

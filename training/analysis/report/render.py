"""Findings as a Markdown page, and that page as HTML with its figures inside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from training.analysis.report.drawing import inlined, variables
from training.analysis.report.findings import Findings
from training.analysis.report.words import (
    comparison,
    costs,
    data,
    helps,
    interpretation,
    mistakes,
    robustness,
    style,
    verdict,
)
from training.plots.theme import DARK, LIGHT

FIGURES_NAME = "findings"
"""The folder of the figures beside the Markdown page."""
_MAX_CELL_LENGTH = 45
"""Letters in a cell of a table that is read by columns."""
_WORDS = {
    "comparison": comparison,
    "costs": costs,
    "data": data,
    "helps": helps,
    "interpretation": interpretation,
    "mistakes": mistakes,
    "robustness": robustness,
    "verdict": verdict,
    "interval": style.interval,
    "number": style.number,
    "p_value": style.p_value,
    "points": style.points,
    "signed": style.signed,
}


class _Renderer(RendererHTML):
    """Puts figures in place of images, and tables where they can be scrolled."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """The figure of the image's name, with its text as caption."""
        return _figure(tokens[idx], env["figures"])

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """The beginning of a table."""
        return f'<div class="scroll"><table class="{_kind(tokens, idx)}">'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Its end."""
        return "</table></div>"


def markdown(findings: Findings) -> str:
    """The page, with links to figures in the folder `findings` beside it."""
    text = _environment().get_template("findings.md.j2").render(findings=findings, **_WORDS)
    lines = [line.rstrip() for line in text.splitlines()]
    # Loops and conditions of the template leave empty lines behind.
    kept = [line for number, line in enumerate(lines) if line or (number and lines[number - 1])]
    return "\n".join(kept).strip() + "\n"


def linked_figures(page: str) -> list[str]:
    """Names of the figures that a Markdown page shows, in their order."""
    tokens = [child for token in MarkdownIt().parse(page) for child in token.children or ()]
    return [Path(str(token.attrs["src"])).stem for token in tokens if token.type == "image"]


def html(page: str, figures: Mapping[str, str]) -> str:
    """The Markdown page as one HTML file that needs no other.

    Args:
        page: from `markdown`.
        figures: SVGs from `drawing.svg` by name; all that the page shows.
    """
    reader = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    tokens = reader.parse(page)
    headings: list[tuple[str, str]] = []
    for token, text in pairwise(tokens):
        if token.type == "heading_open" and token.tag == "h2":
            headings.append((_anchor(text.content), text.content))
            token.attrs["id"] = headings[-1][0]
    body = reader.renderer.render(tokens, reader.options, {"figures": figures})
    # A figure stands alone in its paragraph, which may not hold one.
    body = body.replace("<p><figure", "<figure").replace("</figure></p>", "</figure>")
    body = re.sub(
        r"(?:<figure>(?:(?!<figure>).)*</figure>\s*){2,}", r'<div class="figures">\g<0></div>', body, flags=re.S
    )
    title = next(text.content for token, text in pairwise(tokens) if token.tag == "h1")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(title=title, body=body, headings=headings, light=variables(LIGHT), dark=variables(DARK))
    )


def _kind(tokens: Sequence[Token], start: int) -> str:
    """Whether the cells of a table are short, and stay on one line, or prose."""
    end = next(number for number in range(start, len(tokens)) if tokens[number].type == "table_close")
    return "prose" if max(len(token.content) for token in tokens[start:end]) > _MAX_CELL_LENGTH else "short"


def _figure(token: Token, figures: Mapping[str, str]) -> str:
    name, caption = Path(str(token.attrs["src"])).stem, token.content
    return f"<figure>{inlined(figures[name], name, caption)}<figcaption>{escape(caption)}</figcaption></figure>"


def _anchor(heading: str) -> str:
    return heading.lower().replace(",", "").replace(" ", "-")


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(("html.j2",), ("md.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

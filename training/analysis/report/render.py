"""Markdown pages from records: a neutral report on any two versions, the findings page, and the report as HTML."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, UndefinedError
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from core.errors import ConfigurationError, DataError
from core.records.base import plain
from training.analysis.report import cells, number_format
from training.analysis.report.drawing import inlined, variables
from training.analysis.report.findings import Findings
from training.plots.style import DARK, LIGHT
from training.plots.templates import template_environment

FIGURES_NAME = "findings"
"""Folder of the figures, beside the Markdown page."""
REPORT_TEMPLATE, FINDINGS_TEMPLATE = "report.md.j2", "findings.md.j2"
_MAX_CELL_LENGTH = 45
"""Longest cell text, in characters, of a table whose cells stay on one line."""
_FAMILIES = ("mlp", "cnn")
"""Families of the two versions that the findings page compares, in its order."""


class _Renderer(RendererHTML):
    """HTML renderer with inline SVG figures and scrollable tables."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Render an image as the figure with its name; the alternative text is the caption."""
        return _figure(tokens[idx], env["figures"])

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Open a table."""
        return f'<div class="scroll"><table class="{_kind(tokens, idx)}">'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Close a table."""
        return "</table></div>"


def report_page(findings: Findings) -> str:
    """Markdown of the neutral report on any two versions: tables and figures with fixed captions.

    Raises:
        DataError: the records lack a figure of the template.
    """
    return _markdown(REPORT_TEMPLATE, {"f": findings})


def findings_page(findings: Findings) -> str:
    """Markdown of docs/findings.md: hand-written text whose numbers and claims come from the records.

    Raises:
        ConfigurationError: the two versions are not an mlp and a cnn, in this order.
        DataError: the records lack a figure of the template, or contradict one of its sentences.
    """
    families = tuple(side.manifest.family for side in findings.sides)
    if families != _FAMILIES:
        raise ConfigurationError(
            f"docs/findings.md compares mlp with cnn, not {' with '.join(families)}: run `duet report mlp cnn --docs`"
        )
    claims = Claims()
    mlp, cnn = findings.sides
    conditions = {row.name: row for row in findings.robustness}
    text = _markdown(
        FINDINGS_TEMPLATE, {"f": findings, "mlp": mlp, "cnn": cnn, "conditions": conditions, "claim": claims.guard}
    )
    claims.require_all(FINDINGS_TEMPLATE)
    return text


def linked_figures(page: str) -> list[str]:
    """Names of the figures of a Markdown page, in order."""
    tokens = [child for token in MarkdownIt().parse(page) for child in token.children or ()]
    return [Path(str(token.attrs["src"])).stem for token in tokens if token.type == "image"]


def html(page: str, figures: Mapping[str, str]) -> str:
    """Render a Markdown page as one self-contained HTML file.

    Args:
        page: from `report_page`.
        figures: SVGs from `drawing.svg` by name, including all figures of the page.
    """
    reader = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    tokens = reader.parse(page)
    headings: list[tuple[str, str]] = []
    for token, text in pairwise(tokens):
        if token.type == "heading_open" and token.tag == "h2":
            headings.append((_anchor(text.content), text.content))
            token.attrs["id"] = headings[-1][0]
    body = reader.renderer.render(tokens, reader.options, {"figures": figures})
    # HTML does not allow a figure within a paragraph.
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
    """CSS class of a table: `short` if its cells fit on one line, otherwise `prose`."""
    end = next(number for number in range(start, len(tokens)) if tokens[number].type == "table_close")
    return "prose" if max(len(token.content) for token in tokens[start:end]) > _MAX_CELL_LENGTH else "short"


def _figure(token: Token, figures: Mapping[str, str]) -> str:
    name, caption = Path(str(token.attrs["src"])).stem, token.content
    return f"<figure>{inlined(figures[name], name, caption)}<figcaption>{escape(caption)}</figcaption></figure>"


def _anchor(heading: str) -> str:
    return heading.lower().replace(",", "").replace(" ", "-")


def _markdown(template: str, values: Mapping[str, Any]) -> str:
    try:
        text = _environment().get_template(template).render(values)
    except (UndefinedError, TypeError, DataError) as error:
        raise DataError(f"{_line_of(error)}: no figure for this placeholder in the records ({error})") from error
    lines = [line.rstrip() for line in text.splitlines()]
    # Template blocks leave empty lines.
    kept = [line for number, line in enumerate(lines) if line or (number and lines[number - 1])]
    return "\n".join(kept).strip() + "\n"


def _line_of(error: Exception) -> str:
    """File name and line of the innermost template that raised the error."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".j2")]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}"


def _environment() -> Environment:
    environment = template_environment(Path(__file__).parent)
    environment.finalize = number_format.recorded
    formats = ("percent", "interval", "points", "signed", "number", "decimal", "p_value", "megabytes", "joined")
    environment.filters |= {name: getattr(number_format, name) for name in formats}
    environment.filters |= {"count": "{:,}".format, "zip": zip, "negated": number_format.negated, "plain": plain}
    environment.globals["cells"] = cells
    return environment


class Claims:
    """Conditions under which the sentences of one page are true.

    A template wraps a sentence that depends on a comparison:

        {% call claim("name", condition) %}The sentence.{% endcall %}
    """

    def __init__(self) -> None:
        self._broken: list[str] = []

    def guard(self, name: str, holds: bool, caller: Callable[[], str]) -> str:
        """Return the sentence, which Jinja renders with `caller`, and note it if its condition is false."""
        try:
            sentence = " ".join(caller().split())
        except (UndefinedError, DataError) as error:
            if holds:
                raise
            sentence = f"a placeholder of the sentence has no figure either: {error}"
        if not holds:
            self._broken.append(f'- {name}: "{sentence}"')
        return f"{sentence}\n"

    def require_all(self, template: str) -> None:
        """Check that every condition was true.

        Raises:
            DataError: the records contradict at least one sentence; the message quotes each.
        """
        if self._broken:
            raise DataError(
                f"the records contradict {len(self._broken)} claims of {template}: rewrite these "
                "sentences and their conditions, then run `duet report --docs` again:\n" + "\n".join(self._broken)
            )

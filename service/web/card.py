"""Model cards as HTML, rendered from Markdown with tables.

HTML in a card, unsafe links and images of other hosts are shown as text.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

_Environment = MutableMapping[str, Any]
_FRONT_MATTER = re.compile(r"\A---\r?\n.*?^---\r?\n", re.DOTALL | re.MULTILINE)
_FIGURE = re.compile(r"figures/[a-z0-9_-]+\.png")
_TABLE_BOX = '<div class="table-box" tabindex="0" role="group" aria-label="Figures">'


def card_html(card: str, path: str) -> str:
    """Render a model card; front matter is omitted.

    Args:
        card: Markdown.
        path: URL path of the version, under which its figures are served.
    """
    markdown = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    markdown.validateLink = lambda url: bool(_FIGURE.fullmatch(url) or re.match("https?://", url))  # type: ignore[method-assign]
    tokens = markdown.parse(_FRONT_MATTER.sub("", card))
    _mark_row_headers(tokens)
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"  # the page itself uses the first two levels
    return str(markdown.renderer.render(tokens, markdown.options, {"path": path}))


class _Renderer(RendererHTML):
    """Renderer with scrollable tables, figures of the version and links that reveal nothing to other hosts."""

    def table_open(self, *_: Any) -> str:
        return f"{_TABLE_BOX}<table>"

    def table_close(self, *_: Any) -> str:
        return "</table></div>"

    def link_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: _Environment) -> str:
        tokens[index].attrSet("rel", "noopener noreferrer")
        return self.renderToken(tokens, index, options, env)

    def image(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: _Environment) -> str:
        token = tokens[index]
        source = str(token.attrs["src"])
        if not _FIGURE.fullmatch(source):
            token.type, token.content = "text", f"![{token.content}]({source})"
            return self.text(tokens, index, options, env)
        token.attrs["src"] = f"{env['path']}/{source}"
        return super().image(tokens, index, options, env)


def _mark_row_headers(tokens: list[Token]) -> None:
    """Make the first cell of every row a header, and remove table heads without text."""
    for index, token in enumerate(tokens):
        if token.type == "th_open":
            token.attrSet("scope", "col")
        if token.type == "tr_open" and tokens[index + 1].type == "td_open":
            tokens[index + 1].tag = tokens[index + 3].tag = "th"
            tokens[index + 1].attrSet("scope", "row")
    starts = [index for index, token in enumerate(tokens) if token.type == "thead_open"]
    for start in reversed(starts):
        stop = next(index for index in range(start, len(tokens)) if tokens[index].type == "thead_close") + 1
        if not any(token.content for token in tokens[start:stop] if token.type == "inline"):
            del tokens[start:stop]

"""Figures as SVG that follow the light or dark theme of whatever shows them: colors of a theme become variables."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import fields
from html import escape

import matplotlib
from matplotlib.figure import Figure

from training.plots.theme import DARK, LIGHT, Theme

Draw = Callable[[Theme], Figure]

_FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


def svg(draw: Draw) -> str:
    """The figure as an SVG element without a size of its own; the same figure gives the same text.

    Its colors are CSS variables, see `variables`; text is text.
    """
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "duet"}):
        draw(LIGHT).savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    drawn = stream.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawn, count=1)
    drawn = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawn, count=1)
    drawn = re.sub(r"\s*<style type=\"text/css\">.*?</style>", "", drawn, count=1, flags=re.DOTALL)
    drawn = drawn.replace("'DejaVu Sans'", "sans-serif").replace("\n ", " ")
    for name, color in _colors(LIGHT).items():
        drawn = re.sub(rf"{color}\b", f"var(--{name})", drawn, flags=re.IGNORECASE)
    return drawn.strip() + "\n"


def inlined(drawn: str, name: str, title: str) -> str:
    """An SVG from `svg` for an HTML page that defines the variables; ids are made its own.

    Args:
        drawn: the figure.
        name: of the figure, a word.
        title: what it shows, for those who do not see it.
    """
    own = re.sub(r'\bid="', f'id="{name}-', drawn)
    own = re.sub(r"url\(#", f"url(#{name}-", own)
    own = re.sub(r'href="#', f'href="#{name}-', own)
    return own.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)


def standalone(drawn: str) -> str:
    """An SVG file that follows the theme of the reader's system by itself."""
    style = (
        f"<style>svg {{ {variables(LIGHT)} font-family: {_FONT}; }} "
        f"@media (prefers-color-scheme: dark) {{ svg {{ {variables(DARK)} }} }} "
        "* { stroke-linejoin: round; stroke-linecap: butt; }</style>"
    )
    head, bracket, rest = drawn.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}{bracket}{style}{rest}'


def variables(theme: Theme) -> str:
    """The variables of all figures as CSS declarations."""
    return " ".join(f"--{name}: {color};" for name, color in _colors(theme).items())


def _colors(theme: Theme) -> dict[str, str]:
    """Every color of a theme by the name of its variable; of equal ones the first name counts."""
    named: dict[str, str] = {}
    for field in fields(theme):
        value = getattr(theme, field.name)
        if isinstance(value, tuple):
            named |= {f"{field.name}-{number}": color for number, color in enumerate(value)}
        elif value.startswith("#"):
            named[field.name] = value
    return named

"""SVG figures with CSS variables as colors, so that they follow the light or dark theme of the page."""

from __future__ import annotations

import io
import re
from dataclasses import fields
from html import escape

import matplotlib

from training.plots.style import DARK, LIGHT, Draw, Theme

_FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


def svg(draw: Draw) -> str:
    """Draw a figure as an SVG element without width and height. The same figure gives the same text.

    Colors are CSS variables, see `variables`. Text stays text.
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
    """Prepare an SVG from `svg` for an HTML page that defines the variables, with unique element ids.

    Args:
        drawn: SVG of the figure.
        name: name of the figure, used as the prefix of its ids.
        title: accessible description.
    """
    unique = re.sub(r'\bid="', f'id="{name}-', drawn)
    unique = re.sub(r"url\(#", f"url(#{name}-", unique)
    unique = re.sub(r'href="#', f'href="#{name}-', unique)
    return unique.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)


def standalone(drawn: str) -> str:
    """Prepare an SVG from `svg` as a file that follows the theme of the operating system."""
    style = (
        f"<style>svg {{ {variables(LIGHT)} font-family: {_FONT}; }} "
        f"@media (prefers-color-scheme: dark) {{ svg {{ {variables(DARK)} }} }} "
        "* { stroke-linejoin: round; stroke-linecap: butt; }</style>"
    )
    head, bracket, rest = drawn.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}{bracket}{style}{rest}'


def variables(theme: Theme) -> str:
    """CSS declarations of the variables of all figures."""
    return " ".join(f"--{name}: {color};" for name, color in _colors(theme).items())


def _colors(theme: Theme) -> dict[str, str]:
    """Colors of a theme by variable name. In `svg`, the first of several equal colors applies."""
    named: dict[str, str] = {}
    for field in fields(theme):
        value = getattr(theme, field.name)
        if isinstance(value, tuple):
            named |= {f"{field.name}-{number}": color for number, color in enumerate(value)}
        elif value.startswith("#"):
            named[field.name] = value
    return named

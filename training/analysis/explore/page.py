"""HTML page of `duet explore`: one self-contained file with tables and figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training.analysis.explore.findings import Findings
from training.plots.theme import DARK, LIGHT


def render_page(findings: Findings, figures: Mapping[str, Mapping[str, bytes]]) -> str:
    """Render the page.

    Args:
        findings: contents of the tables.
        figures: PNG files by figure name and theme name.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["percent"] = lambda share: f"{share:.2%}".replace("%", " %")
    inlined = {name: {theme: _data_uri(png) for theme, png in themes.items()} for name, themes in figures.items()}
    return environment.get_template("page.html").render(
        findings=findings,
        statistics=findings.statistics,
        duplicates=findings.duplicates,
        figures=inlined,
        light=LIGHT,
        dark=DARK,
    )


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")

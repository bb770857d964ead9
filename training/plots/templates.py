"""Jinja environment of generated pages."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


def template_environment(folder: Path) -> Environment:
    """Create an environment of the templates in `folder`: HTML is escaped, and an undefined placeholder is an error."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(("html", "html.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

"""Release of the project, read from the installed metadata; pyproject.toml is its only source."""

from __future__ import annotations

from importlib.metadata import version

DISTRIBUTION = "duet-vision"
"""Name of the distribution on PyPI, where `duet` is another project."""


def release() -> str:
    """The installed version, such as 0.1.0."""
    return version(DISTRIBUTION)

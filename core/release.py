"""Release number of the project, from the installed distribution."""

from __future__ import annotations

from importlib.metadata import version


def release() -> str:
    """The installed version, such as 0.1.0."""
    return version("duet")

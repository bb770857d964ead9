"""Lua scripts that change jobs atomically in the broker, one file each, with prelude.lua prepended to each.

Scripts of jobs receive the same keys (see the prelude), and as first arguments the job id and the number of events to
keep. They return a list: a status word (`ok` on success), followed by the job's hash on success.
"""

from __future__ import annotations

from importlib.resources import files


def load(name: str) -> str:
    """Source of the script `name`, including the prelude."""
    folder = files(__name__)
    prelude, script = (folder.joinpath(f"{part}.lua").read_text(encoding="utf-8") for part in ("prelude", name))
    return f"{prelude}\n{script}"

"""The scripts that change jobs inside the broker, one .lua file each; prelude.lua stands before every one of them.

All scripts but those of idempotency keys get the same keys (see the prelude) and, first, the job's id and how many
events to keep. They answer with a list whose first item is a word, `ok` where they did what was asked; the second is
then the job's hash.
"""

from __future__ import annotations

from importlib.resources import files


def load(name: str) -> str:
    """The text of the script called `name`, the prelude included."""
    folder = files(__name__)
    return f"{folder.joinpath('prelude.lua').read_text()}\n{folder.joinpath(f'{name}.lua').read_text()}"

"""docs/settings.md: every setting, from what the settings say of themselves."""

from __future__ import annotations

import re

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from service.settings import Settings

_COMPUTED = {"home": "`.duet`", "shipped_models": "`models` of the project"}
_HEAD = """# Settings

Each is an environment variable; an empty one is as good as none. `duet serve` and `duet worker` say all of them in the
first line of their logs, without secrets. `python -m docs.generate` writes this page from `service/settings.py`, where
the bounds are.

| variable | default | what |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_row(name, field) for name, field in Settings.model_fields.items())


def _row(name: str, field: FieldInfo) -> str:
    what = re.sub(r"\s+", " ", field.description or "").rstrip(".").replace("|", "\\|")
    return f"| `DUET_{name.upper()}` | {_COMPUTED.get(name) or _default(field.default)} | {what} |\n"


def _default(value: object) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, BaseModel):
        return f"`{value.model_dump_json()}`"
    return ",".join(map(str, value)) if isinstance(value, tuple) else f"{value}"

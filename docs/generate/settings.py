"""Generator of docs/settings.md from the field descriptions of `Settings`."""

from __future__ import annotations

import re

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from service.settings import Settings

_COMPUTED = {
    "home": "`.duet` in the checkout; without one, the user's data folder",
    "shipped_models": "`models` of the project",
}
_HEAD = """# Settings

Each setting is an environment variable; an empty variable counts as unset. `duet serve` and `duet worker` log all
settings in their first line, without secrets. `python -m docs.generate` writes this page from `service/settings.py`,
which also defines the allowed ranges.

| variable | default | description |
|---|---|---|
"""


def page() -> str:
    """Return the page."""
    return _HEAD + "".join(_row(name, field) for name, field in Settings.model_fields.items())


def _row(name: str, field: FieldInfo) -> str:
    description = re.sub(r"\s+", " ", field.description or "").rstrip(".").replace("|", "\\|")
    return f"| `DUET_{name.upper()}` | {_COMPUTED.get(name) or _default(field.default)} | {description} |\n"


def _default(value: object) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, BaseModel):
        return f"`{value.model_dump_json()}`"
    return ",".join(map(str, value)) if isinstance(value, tuple) else f"{value}"

"""Response and request examples of the OpenAPI document: one JSON file each. Tests validate them with the schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load_example(name: str) -> Any:
    """The content of `<name>.json` in this folder."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))

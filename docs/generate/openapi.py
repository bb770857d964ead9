"""openapi.json: the description of the API, as the service serves it at /openapi.json."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from service.app import create_app
from service.settings import Settings


def page() -> str:
    """The whole file; it is the same whatever the settings are."""
    with tempfile.TemporaryDirectory() as home:
        document = create_app(Settings(home=Path(home))).openapi()
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

"""Generator of openapi.json, the API description that the service serves at /openapi.json."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from service.app import create_app
from service.settings import Settings


def page() -> str:
    """Return the file; it does not depend on the settings."""
    with tempfile.TemporaryDirectory() as home:
        document = create_app(Settings(home=Path(home))).openapi()
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

"""docs/settings.md says of every setting what the settings say of themselves."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_what_the_settings_make_it() -> None:
    written = runpy.run_path(str(DOCS / "settings.py"))["page"]()
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == written, "run: python docs/settings.py"
    assert "| `DUET_PORT` | 8000 | Port to listen on; 0 takes any free one" in written

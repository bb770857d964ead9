"""README.md and docs/tour.md with what the shipped versions score and answer now: `python -m docs.generate.readme`.

Runs every command of these pages that an answer follows against a service on the shipped models, writes the answers and
the table of scores into them, and draws their pictures. The texts around them stay as they are.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping

from core.repository.repository import ModelRepository
from docs.generate import ROOT
from docs.generate.pictures import draw_pictures
from docs.generate.scores import with_scores
from docs.generate.shipped import shipped_service

PAGES = (ROOT / "README.md", ROOT / "docs" / "tour.md")
ADDRESS = "http://127.0.0.1:8000"
_ANSWERED = re.compile(r"```(bash|python)\n(?P<command>[^`]*?)```\n\n```(?P<kind>json|text)\n.*?```", re.DOTALL)


def main() -> None:
    """Rewrite the pages."""
    shipped = ModelRepository(ROOT / "nowhere", ROOT / "models")
    with shipped_service() as (address, environment):
        for path in PAGES:
            page = with_scores(path.read_text(encoding="utf-8"), shipped)
            page = _ANSWERED.sub(lambda found: _answered(found, address, environment), page)
            path.write_text(page, encoding="utf-8")
        draw_pictures(address)


def _answered(found: re.Match[str], address: str, environment: Mapping[str, str]) -> str:
    """A command block and its answer, as the service answers now."""
    language, command, kind = found[1], found["command"], found["kind"]
    text = command.replace(ADDRESS, address)
    words = ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else [sys.executable, "-c", text]
    printed = subprocess.run(
        words, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True
    ).stdout
    answer = _compact(json.loads(printed)) if kind == "json" else printed.strip().replace(address, ADDRESS)
    return f"```{language}\n{command}```\n\n```{kind}\n{answer}\n```"


def _compact(value: object, indent: int = 0) -> str:
    """JSON with every list and object on one line that fits there."""
    flat = json.dumps(value)
    if len(flat) + indent <= 110 or not isinstance(value, dict | list):
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        lines = [f"{pad}{json.dumps(key)}: {_compact(entry, indent + 2)}" for key, entry in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    lines = [pad + _compact(entry, indent + 2) for entry in value]
    return "[\n" + ",\n".join(lines) + "\n" + " " * indent + "]"


if __name__ == "__main__":
    main()

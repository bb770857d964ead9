"""Generator of the example output in README.md and docs/tour.md: `python -m docs.generate.readme`.

It runs each command that is followed by an output block against a service on the shipped models, and updates the
output blocks, the table of scores and the figures. The other text does not change.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from core.repository.repository import ModelRepository
from docs.generate import ROOT
from docs.generate.scores import with_scores
from docs.generate.tour_figures import draw_pictures

PAGES = (ROOT / "README.md", ROOT / "docs" / "tour.md")
ADDRESS = "http://127.0.0.1:8000"
_EXAMPLE = re.compile(r"```(bash|python)\n(?P<command>[^`]*?)```\n\n```(?P<kind>json|text)\n.*?```", re.DOTALL)


def main() -> None:
    """Update the pages."""
    shipped = ModelRepository(ROOT / "nowhere", ROOT / "models")
    with _shipped_service() as (address, environment):
        for path in PAGES:
            page = with_scores(path.read_text(encoding="utf-8"), shipped)
            page = _EXAMPLE.sub(lambda match: _rerun(match, address, environment), page)
            path.write_text(page, encoding="utf-8")
        draw_pictures(address)


def _rerun(match: re.Match[str], address: str, environment: Mapping[str, str]) -> str:
    """Run the command of a block and return the block with its current output."""
    language, command, kind = match[1], match["command"], match["kind"]
    text = command.replace(ADDRESS, address)
    arguments = ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else [sys.executable, "-c", text]
    printed = subprocess.run(
        arguments, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True
    ).stdout
    answer = _compact(json.loads(printed)) if kind == "json" else printed.strip().replace(address, ADDRESS)
    return f"```{language}\n{command}```\n\n```{kind}\n{answer}\n```"


def _compact(value: object, indent: int = 0) -> str:
    """Format JSON with each list and object on one line if it fits."""
    flat = json.dumps(value)
    if len(flat) + indent <= 110 or not isinstance(value, dict | list):
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        lines = [f"{pad}{json.dumps(key)}: {_compact(entry, indent + 2)}" for key, entry in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    lines = [pad + _compact(entry, indent + 2) for entry in value]
    return "[\n" + ",\n".join(lines) + "\n" + " " * indent + "]"


@contextmanager
def _shipped_service() -> Iterator[tuple[str, dict[str, str]]]:
    """Run a service with the shipped models only; yields its address and the environment for `duet` commands."""
    with tempfile.TemporaryDirectory() as home:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        command_environment = {"DUET_HOME": home, "DUET_SHIPPED_MODELS": str(ROOT / "models"), "PATH": programs}
        environment = os.environ | command_environment | {"DUET_EMBEDDED_WORKER": "0", "DUET_PROVIDERS": "cpu"}
        command = [sys.executable, "-m", "duet", "serve", "--port", "0"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            try:
                assert process.stdout is not None  # noqa: S101  stdout=PIPE
                address = process.stdout.readline().split()[4]
                while httpx.get(f"{address}/readyz").status_code != 200:
                    time.sleep(0.1)
                yield address, command_environment
            finally:
                process.terminate()


if __name__ == "__main__":
    main()

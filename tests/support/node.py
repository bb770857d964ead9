"""Page scripts run by node, without a page."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NODE = shutil.which("node")
SCRIPTS = Path(__file__).parents[2] / "service" / "web" / "static" / "js"

needs_node = pytest.mark.skipif(NODE is None, reason="no node on PATH; Debian's package `nodejs` will do")
_PROGRAM = """
globalThis.location = {{ origin: "http://duet", search: {search}, pathname: "/" }};
const module = await import({script});
const argument = JSON.parse(await new Response(process.stdin).text());
console.log(JSON.stringify(await ({function})(argument)) ?? "null");
"""


def run_script(script: str, function: str, argument: Any, *, search: str = "") -> Any:
    """Result of the JavaScript `function` for the argument, with the script as `module`.

    The script and its imports must not use the document when they are loaded. `search` is the query of the page.
    """
    assert NODE is not None
    address = (SCRIPTS / script).as_uri()
    program = _PROGRAM.format(search=json.dumps(search), script=json.dumps(address), function=function)
    done = subprocess.run(
        [NODE, "--no-warnings", "--input-type=module", "--eval", program],
        input=json.dumps(argument),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

"""Example of docs/loop.md: the whole loop on a simulated stream, run in order as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.cifar_files import REAL_FOLDER
from tests.support.markdown import ROOT, blocks
from tests.support.service import service_process

THIS = "tests/docs/test_loop.py::test_loop_runs_as_written"
SERVICE = "http://127.0.0.1:8000"
EXAMPLE = [block for block in blocks(ROOT / "docs" / "loop.md") if block.said == THIS]
SHIPPED = {"DUET_SHIPPED_MODELS": str(ROOT / "models"), "DUET_PROVIDERS": "cpu"}


def run(commands: str, folder: Path) -> str:
    """Output of the commands in bash, with the programs of this environment and the real CIFAR-10 if there is one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DUET_")} | SHIPPED
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment["PYTHONPATH"] = str(ROOT)
    if REAL_FOLDER:
        environment["DUET_DATA_DIR"] = REAL_FOLDER
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder, env=environment, timeout=1200, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}\n{done.stdout}"
    return done.stdout


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_loop_runs_as_written(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    prepare, *steps = EXAMPLE
    assert len(steps) == 5
    run(prepare.text, tmp_path)
    exports = prepare.text.splitlines(keepends=True)[0]
    settings = {"DUET_CAPTURE_SHARE": "1", "DUET_EMBEDDED_WORKER": "0", "DUET_EMBEDDED_BROKER": "1"}
    outputs = []
    with service_process(tmp_path / "loop-home", **SHIPPED, **settings) as service:
        for step in steps:
            outputs.append(run(exports + step.text.replace(SERVICE, service.url), tmp_path))
            exports += "".join(line for line in step.text.splitlines(keepends=True) if line.startswith("export "))
        entry = httpx.get(f"{service.url}/models/mlp/promotions").json()["promotions"][0]

    sent, watched, labelled, tried, promoted = outputs
    assert sent.count("300 images sent") == 2
    assert "alarm: " in watched
    assert "none, the error for cnn@5 and mlp@2 has not been measured" in watched
    assert "60 pictures labelled" in labelled
    assert re.search(r"accuracy from 60 labels: [0-9.]+% ", labelled)
    assert '"added"' in labelled
    assert "verdict: challenger_better" in tried
    assert tried.splitlines()[-1] == "promoted"
    assert re.search(r"mlp@4: [0-9]+ images\n  accuracy without labels: [0-9.]+%, mean error 2.3 points", promoted)
    assert (entry["to_version"], entry["evidence"]["forced"], entry["evidence"]["gate"]["passed"]) == (4, False, True)
    assert entry["evidence"]["trial"]["result"]["verdict"] == "challenger_better"

"""Worked example of docs/own-images.md and docs/training.md, run in order as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from core.repository.repository import ModelRepository
from docs.examples import draw_surfaces
from tests.support.markdown import ROOT, Block, blocks
from tests.support.service import service_process

THIS = "tests/docs/test_own_images.py::test_worked_example_runs_as_written"
SERVICE = "http://127.0.0.1:8000"
HOME = "surfaces-home"
EXAMPLE = [
    block for page in ("own-images", "training") for block in blocks(ROOT / "docs" / f"{page}.md") if block.said == THIS
]


def masked(line: str) -> str:
    """The line without numbers, floating-point types, folders and repeated spaces."""
    line = re.sub(r"b?float\d+", "TYPE", line)
    line = re.sub(r"class, \w+, has", "class, NAME, has", line)
    line = re.sub(rf"\S*/{HOME}", HOME, line)
    return " ".join(re.sub(r"\d[\d,]*(\.\d+)?", "N", line).split())


def assert_printed(block: Block, output: str) -> None:
    """Require the block's lines in the output, in this order and with any numbers; `...` stands for other lines."""
    printed = iter([masked(line) for line in output.splitlines()])
    for line in block.text.splitlines():
        if line.strip() and line != "...":
            assert masked(line) in printed, f"{block.where} lacks in order: {line}\n\n{output}"


def run(commands: str, folder: Path) -> str:
    """Standard output and error of the commands in bash, with the programs of this environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DUET_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "120",
        "DUET_SHIPPED_MODELS": str(folder / "none"),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder, env=environment, timeout=300, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}\n{done.stdout}"
    return done.stdout


@pytest.fixture
def one_core() -> Iterator[None]:
    """Use one core: several training threads wait for each other for minutes where other programs use the cores."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("one_core")
def test_worked_example_runs_as_written(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    assert len([block for block in EXAMPLE if block.language == "text"]) == 8
    exports, output = "", ""
    with ExitStack() as running:
        for block in EXAMPLE:
            if block.language == "text" and not block.text.startswith("epoch 10/20"):
                assert_printed(block, output)
            elif block.language == "bash":
                commands = block.text
                if SERVICE in commands:
                    service = running.enter_context(service_process(tmp_path / HOME))
                    commands = commands.replace(SERVICE, service.url)
                output = run(exports + commands, tmp_path)
                exports += "".join(line for line in block.text.splitlines(True) if line.startswith("export "))
    repository = ModelRepository(home_models=tmp_path / HOME / "models", shipped=tmp_path / "none")
    assert (repository.versions("surfaces"), repository.champion("surfaces")) == ([1, 2], 1)


def test_example_images_are_reproducible_and_distinct() -> None:
    first, again, other = (np.asarray(draw_surfaces.draw("sand", number)) for number in (0, 0, 1))
    assert first.shape == (96, 96, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("lines", ["epoch N\nloss 3.1", "loss 0.2\n...\nepoch 1/9"])
def test_missing_output_is_found(lines: str) -> None:
    block = Block("page", 1, "text", lines, "", "")
    with pytest.raises(AssertionError, match="page:1 lacks"):
        assert_printed(block, "epoch 1/20\nloss 0.25")

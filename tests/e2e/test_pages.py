"""Code blocks of the pages: each is run against one `make serve` and must print the output on the page.

Blocks that cannot be run are marked on the page; see tests/support/markdown.py. Training commands run in the
environment that README puts on PATH, on synthetic images in CIFAR-10's format, so that they take seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from core.repository.repository import ModelRepository
from tests.support.job_children import double, training_python
from tests.support.markdown import PAGES, ROOT, RUN, Block, blocks

ADDRESS = "127.0.0.1:8000"
VOLATILE = {"timing_ms", "request_id", "id", "created_at", "links"}
THIS = "run by", "tests/e2e/test_pages.py::test_training_commands_run"
ALL = {page: blocks(page) for page in PAGES}
RUN_HERE = [page for page, found in ALL.items() if any(block.language in RUN and not block.mark for block in found)]
TRAINING = [block for found in ALL.values() for block in found if (block.mark, block.said) == THIS]

JOB = """
    epochs = parameters["overrides"].get("epochs", 1)
    number = 0
    while epochs > 10 or number < epochs:
        number += 1
        ask(number)
        if epochs <= 10:
            tell("epoch", epoch=number, epochs=epochs, train_loss=1.0, train_accuracy=0.5, validation_loss=1.0,
                 validation_accuracy=0.5, learning_rate=0.1, seconds=1.0)
    tell("result", result={})
"""
"""Stub of a training: sends the events of at most ten epochs; with more, it runs until it is cancelled."""


@dataclass(frozen=True)
class Site:
    """Host and port of the service, its DUET_HOME, and the programs that `make serve` has installed."""

    address: str
    home: Path
    programs: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`make serve` in a copy of the checkout, as in the README, without torch; stopped by SIGTERM."""
    tree = tmp_path_factory.mktemp("clone")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in (name for name in names if name and (ROOT / name).is_file()):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # test_makefile.py tests that the training environment is made.
    training = double(tree / "training-python", JOB)
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith("DUET_") and key != "VIRTUAL_ENV"
    }
    settings = {"DUET_PORT": str(port), "DUET_TRAINING_PYTHON": str(training), "DUET_JOB_FREE_MIB": "0"}
    settings["PIP_NO_COMPILE"] = "1"  # compiling all modules takes longer than importing those that are used
    settings["DUET_PROVIDERS"] = "cpu"  # as in the examples; other providers give slightly different probabilities
    process = subprocess.Popen(["make", "serve"], cwd=tree, env=inherited | settings, start_new_session=True)
    try:
        served = Site(f"127.0.0.1:{port}", tree / ".duet", tree / ".venv" / "bin")
        with httpx.Client(base_url=f"http://{served.address}", timeout=5) as client:
            while not is_ready(client):
                assert process.poll() is None, "make serve ended"
                time.sleep(0.1)
        yield served
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def is_ready(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/readyz").status_code == 200
    return False


def run(block: Block, folder: Path, environment: dict[str, str], *, timeout: float = 280) -> str:
    """Run a block in `folder` and return what it prints."""
    start = ["python", "-c"] if block.language == "python" else ["bash", "-euo", "pipefail", "-c"]
    done = subprocess.run(
        [*start, block.text],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{block.where} failed: {done.stderr}{done.stdout}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "page",
    [
        # The README in a clone stands for the others, which `make test-all` runs.
        pytest.param(page, id=page.name, marks=[] if page.name == "README.md" else pytest.mark.full)
        for page in RUN_HERE
    ],
)
def test_code_blocks_print_the_output_on_the_page(page: Path, site: Site, tmp_path: Path) -> None:
    for name in ("docs", "README.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    # The README with what a newcomer has; other pages name what they need besides.
    programs = site.programs if page.name == "README.md" else Path(sys.executable).parent
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "DUET_HOME": str(site.home)}
    printed = ""
    for block in (block for block in ALL[page] if not block.mark):
        if block.language in RUN:
            here = block.text.replace(ADDRESS, site.address)
            printed = run(replace(block, text=here), tmp_path, environment)
        elif block.language == "json":
            agree(json.loads(block.text), json.loads(printed), block.where)
        else:
            assert printed.replace(site.address, ADDRESS).strip() == block.text.strip(), block.where
    if page.name == "api.md":
        check_files_of_api_page(tmp_path)


def agree(stated: Any, answered: Any, where: str) -> None:
    """Same fields and values; numbers to 0.02, because another processor rounds the network's sums differently."""
    if isinstance(stated, dict):
        assert isinstance(answered, dict), where
        assert stated.keys() == answered.keys(), where
        for key in stated.keys() - VOLATILE:
            agree(stated[key], answered[key], f"{where} {key}")
    elif isinstance(stated, list):
        assert isinstance(answered, list), where
        assert len(stated) == len(answered), where
        for one, other in zip(stated, answered, strict=True):
            agree(one, other, where)
    elif isinstance(stated, float):
        assert answered == pytest.approx(stated, abs=0.02), where
    else:
        assert answered == stated, where


def check_files_of_api_page(folder: Path) -> None:
    sizes = {}
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            image.load()
            sizes[path.name] = image.size
    # 32x32 enlarged to 256x256, and 8 between two
    assert sizes == {"saliency.png": (784, 256), "dog.png": (256, 256), "compared.png": (784, 520)}
    map_HW = np.load(folder / "map.npy")
    assert (map_HW.shape, map_HW.dtype) == ((32, 32), np.float32)
    compared = json.loads((folder / "compared.json").read_text())
    assert [one["model"] for one in compared["saliency"]] == ["mlp", "cnn"]


@pytest.mark.full
@pytest.mark.timeout(900)
def test_training_commands_run(site: Site, tmp_path: Path) -> None:
    """README's training commands in README's environment, which lacks torch: they continue in that of training."""
    data = tmp_path / "cifar-10-batches-py"
    environment = {
        "PATH": f"{site.programs}{os.pathsep}{os.environ['PATH']}",
        "DUET_HOME": str(tmp_path / "home"),
        "DUET_TRAINING_PYTHON": str(training_python(data)),
        "DUET_DATA_DIR": str(data),
    }
    for block in TRAINING:
        run(block, ROOT, environment, timeout=600)
    repository = ModelRepository(tmp_path / "home" / "models", ROOT / "models")
    assert [repository.versions(family) for family in ("cnn", "mlp")] == [[3, 4, 5], [2, 4, 5]]
    assert list((tmp_path / "home").rglob("*.html")), "duet explore wrote no page"


def test_readme_names_make_serve_and_make_test_once() -> None:
    texts = [block.text for block in ALL[ROOT / "README.md"]]
    assert (texts.count("make serve\n"), texts.count("make test\n")) == (1, 1)


def test_readme_figures_are_those_of_the_shipped_versions() -> None:
    page = (ROOT / "README.md").read_text()
    repository = ModelRepository(ROOT / "nowhere", ROOT / "models")
    champions = repository.champions()
    assert set(champions) == {"cnn", "mlp"}
    for family, version in champions.items():
        manifest = repository.manifest(family, version)
        accuracy = f"{manifest.metrics.test_accuracy:.2%}"
        row = next(line for line in page.splitlines() if line.startswith(f"| `{manifest.reference}`"))
        assert accuracy in row
        assert f"{manifest.cost.parameters:,}" in row

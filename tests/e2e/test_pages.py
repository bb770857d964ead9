"""Code blocks of the pages: each is run against one `make serve` and must print the output on the page.

Blocks that cannot be run are marked on the page; see tests/support/markdown.py. Training commands run in the
environment that README puts on PATH, on synthetic images in CIFAR-10's format, so that they take seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.repository.repository import ModelRepository
from tests.support.job_children import training_python
from tests.support.markdown import PAGES, ROOT, RUN, Block, blocks
from tests.support.newcomer import Site, made_and_served

ADDRESS = "127.0.0.1:8000"
VOLATILE = {"timing_ms", "request_id", "id", "created_at", "links"}
THIS = "run by", "tests/e2e/test_pages.py::test_training_commands_run"
ALL = {page: blocks(page) for page in PAGES}
RUN_HERE = [page for page, found in ALL.items() if any(block.language in RUN and not block.mark for block in found)]
TRAINING = [block for found in ALL.values() for block in found if (block.mark, block.said) == THIS]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`make serve`, as the README has it."""
    with made_and_served(tmp_path_factory.mktemp("clone")) as served:
        yield served


def run(block: Block, folder: Path, environment: Mapping[str, str], *, timeout: float = 280) -> str:
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
def test_every_block_answers_as_the_page_says(page: Path, site: Site, tmp_path: Path) -> None:
    for name in ("docs", "README.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    # The README with what a newcomer has; other pages name what they need besides.
    programs = site.programs if page.name == "README.md" else Path(sys.executable).parent
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "DUET_HOME": str(site.home)}
    printed = ""
    for block in (block for block in ALL[page] if not block.mark):
        if block.language in RUN:
            here = Block(**{**vars(block), "text": block.text.replace(ADDRESS, site.address)})
            printed = run(here, tmp_path, environment)
        elif block.language == "json":
            agree(json.loads(block.text), json.loads(printed), block.where)
        else:
            assert printed.replace(site.address, ADDRESS).strip() == block.text.strip(), block.where
    if page.name in LOOKS:
        LOOKS[page.name](tmp_path)


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


def look_at_what_the_api_page_wrote(folder: Path) -> None:
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


LOOKS: dict[str, Callable[[Path], None]] = {"api.md": look_at_what_the_api_page_wrote}


@pytest.mark.slow
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


def test_the_readme_has_the_two_commands_and_the_makefile_has_their_targets() -> None:
    texts = [block.text for block in ALL[ROOT / "README.md"]]
    assert texts.count("make serve\n") == 1
    assert texts.count("make test\n") == 1
    planned = subprocess.run(["make", "--dry-run", "test"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "-m pytest" in planned  # what is running now


def test_figures_on_the_page_are_those_of_the_shipped_versions() -> None:
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

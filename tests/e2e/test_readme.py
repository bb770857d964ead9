"""Every block of commands in README.md is run, and answers as README.md says.

`make serve` is run in a copy of the project, and the requests and `duet` commands with the environment that it made.
Two cannot be run whole: `make test` is what is running now, and `duet train`, which takes minutes, gets `--dry-run`:
everything is loaded and checked, nothing fitted. `duet train`, `evaluate` and `explore` need the real data.

`bash` blocks are commands. A `json` block is the answer of the block before it; times, request ids and the last
digits of floating-point figures may differ. `python` blocks are run, and a `text` block after one is what it prints.
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
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.support.markdown import Block, blocks

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = blocks(ROOT / "README.md")
ADDRESS = "http://127.0.0.1:8000"
VOLATILE = {"timing_ms", "request_id"}
SERVE, TEST = "make serve\n", "make test\n"


def is_training(block: Block) -> bool:
    return block.language == "bash" and block.text.startswith(("duet train", "duet evaluate", "duet explore"))


TRAINING = [block for block in BLOCKS if is_training(block)]
REQUESTS = [block for block in BLOCKS if not is_training(block) and block.text not in (SERVE, TEST)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address and environment of `make serve` in a copy of the project, as a newcomer runs it, without torch."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Training where this runs, rather than in an environment of several GB that is made for it: test_makefile.py.
    environment = os.environ | {"DUET_PORT": str(port), "DUET_TRAINING_PYTHON": sys.executable}
    for name in ("DUET_HOME", "DUET_SHIPPED_MODELS", "VIRTUAL_ENV"):
        environment.pop(name, None)
    tree = tmp_path_factory.mktemp("clone")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in (name for name in names if name and (ROOT / name).is_file()):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    process = subprocess.Popen(["make", "serve"], cwd=tree, env=environment, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_ready(address, process)
        yield address, tree / ".venv" / "bin"
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(2000):
        assert process.poll() is None, "make serve ended"
        try:
            with urlopen(f"{address}/readyz", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("make serve did not become ready")


def run(block: Block, programs: Path, address: str = ADDRESS) -> str:
    """What a block prints, run from the project's root with the service at `address` and `programs` on the PATH."""
    text = block.text.replace(ADDRESS, address)
    python = str(programs / "python")
    command = [python, "-c", text] if block.language == "python" else ["bash", "-euo", "pipefail", "-c", text]
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, f"README.md:{block.line} failed: {done.stderr}{done.stdout}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_request_answers_as_the_page_says(
    service: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_HOME", str(tmp_path))
    address, programs = service
    answered = None
    for block in REQUESTS:
        if block.language in ("bash", "python"):
            answered = run(block, programs, address)
        elif block.language == "json":
            assert answered is not None
            agree(json.loads(block.text), json.loads(answered), f"README.md:{block.line}")
        else:
            assert block.language == "text", f"README.md:{block.line}: nobody runs a block of {block.language!r}"
            assert answered is not None
            assert answered.replace(address, ADDRESS).strip() == block.text.strip(), f"README.md:{block.line}"


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


@pytest.mark.slow
@pytest.mark.cifar10
@pytest.mark.skipif("DUET_DATA_DIR" not in os.environ, reason="needs the real CIFAR-10 at DUET_DATA_DIR")
@pytest.mark.parametrize("block", TRAINING, ids=[block.text.split("\n")[0] for block in TRAINING])
def test_training_commands_run(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_HOME", str(tmp_path))
    lines = [f"{line} --dry-run" if line.startswith("duet train") else line for line in block.text.splitlines()]
    run(Block(block.language, "\n".join(lines), block.line), Path(sys.executable).parent)


def test_the_page_has_the_two_commands_and_the_makefile_has_their_targets() -> None:
    texts = [block.text for block in BLOCKS]
    assert texts.count(SERVE) == 1
    assert texts.count(TEST) == 1
    planned = subprocess.run(["make", "--dry-run", "test"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "-m pytest" in planned  # what is running now


def test_figures_on_the_page_are_those_of_the_shipped_versions() -> None:
    from core.repository import ModelRepository

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

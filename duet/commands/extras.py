"""Optional extras of the commands: checks of their packages, and continuation in the training environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import typer

from core.errors import ConfigurationError

SERVE = (
    "celery",
    "fastapi",
    "httptools",
    "markdown_it",
    "multipart",
    "onnxruntime",
    "orjson",
    "prometheus_client",
    "pydantic_settings",
    "pyspng",
    "redis",
    "uvicorn",
    "uvloop",
)
TRAINING = (
    "torch",
    "torchvision",
    "captum",
    "jinja2",
    "markdown_it",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "optuna",
    "pydantic_settings",
    "pyspng",
    "safetensors",
    "scipy",
    "sklearn",
    "matplotlib",
)
GATE = ("onnxruntime", "pydantic_settings", "pyspng")
ENVIRONMENT = ".venv-training"
POLL_SECONDS = 0.5
_MISSING = "import importlib.util, sys; print(*(name for name in sys.argv[1:] if not importlib.util.find_spec(name)))"


def require_serve(command: str) -> None:
    """Check that the packages of the extra `serve` are installed.

    Raises:
        ConfigurationError: a package is missing; the message says how to install the extra.
    """
    _require(command, "serve", SERVE)


def require_training(command: str) -> None:
    """Check for the packages of the extra `training`; without them, continue in the training environment.

    Raises:
        ConfigurationError: no environment has them; the message says how to install them.
    """
    if _missing(TRAINING):
        _continue_in_training_environment(command, TRAINING)


def require_gate(command: str) -> None:
    """Check for the packages of the promotion gate, which both `serve` and `training` contain.

    Raises:
        ConfigurationError: a package is missing; the message says how to install it.
    """
    _require(command, "serve", GATE)


def _require(command: str, extra: str, packages: tuple[str, ...]) -> None:
    missing = _missing(packages)
    if missing:
        raise ConfigurationError(
            f"{command} needs the {extra} extra ({', '.join(missing)} not found): in a checkout of Duet, run "
            f"pip install -e '.[{extra}]'"
        )


def _missing(packages: tuple[str, ...]) -> list[str]:
    return [name for name in packages if find_spec(name) is None]


def _continue_in_training_environment(command: str, packages: tuple[str, ...]) -> None:
    """Replace this process by the same command in the training environment, after waiting for its installation.

    `make serve` installs the command `duet` into `.venv`, without torch, and creates `.venv-training` in the
    background. The interpreter is `DUET_TRAINING_PYTHON` or `.venv-training/bin/python` beside the environment of this
    command. If there is none, and a terminal is attached, the user is asked whether to create it.

    Args:
        command: such as `duet train`, for messages.
        packages: modules that the command needs.

    Raises:
        ConfigurationError: there is no such environment, or it is incomplete; the message says how to create it.
    """
    python = _training_python()
    _wait_for_installation(command, python)
    if not python.exists():
        _offer_installation(command, python)
    listing = [str(python), "-c", _MISSING, *packages]
    try:
        missing = subprocess.run(listing, check=True, capture_output=True, text=True, encoding="utf-8").stdout.split()
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigurationError(f"{python} does not run as a Python interpreter: {error}") from error
    if missing:
        raise ConfigurationError(
            f"{command} needs {', '.join(missing)}, which {python} lacks: {_how_to_install(python.parent.parent)}"
        )
    sys.stdout.flush()
    os.execv(python, [str(python), "-m", "duet", *sys.argv[1:]])  # noqa: S606


def _training_python() -> Path:
    """Absolute path of the interpreter; links are kept, because bin/python of a virtual environment is one."""
    named = os.environ.get("DUET_TRAINING_PYTHON")
    if not named:
        return Path(sys.prefix).with_name(ENVIRONMENT) / "bin" / "python"
    return Path(shutil.which(named) or named).absolute()


def _wait_for_installation(command: str, python: Path) -> None:
    """Show a progress line while a running service installs the environment."""
    from rich.console import Console

    from service.supervisor.training_env import read_setup

    state = read_setup(python)
    if state is None:
        return
    with Console(stderr=True).status("") as line:
        while state is not None and state.state == "installing":
            minutes = (datetime.now(state.since.tzinfo) - state.since).total_seconds() / 60
            line.update(f"{command} waits: the training dependencies have been installing for {minutes:.0f} minutes")
            time.sleep(POLL_SECONDS)
            state = read_setup(python)
    if state is not None:
        raise ConfigurationError(
            f"{command} needs the training dependencies: {state.reason}. {_how_to_install(python.parent.parent)}"
        )


def _offer_installation(command: str, python: Path) -> None:
    environment = python.parent.parent
    makefile = environment.with_name("Makefile")
    can_install = sys.stdin.isatty() and makefile.exists() and environment.name == ENVIRONMENT
    if can_install and typer.confirm(f"{command} needs torch. Install the training dependencies (several GB) now?"):
        subprocess.run(["make", f"{ENVIRONMENT}/ready"], cwd=makefile.parent, check=False)  # noqa: S607
    if not python.exists():
        raise ConfigurationError(f"{command} needs the training dependencies: {_how_to_install(environment)}")


def _how_to_install(environment: Path) -> str:
    if environment.name == ENVIRONMENT and environment.with_name("Makefile").exists():
        return f"run `make {ENVIRONMENT}/ready` in {environment.parent}, or start `make serve`, which does it"
    return "in a checkout of Duet, run pip install -e '.[training]'"

"""Checks that the packages of an optional extra are installed."""

from __future__ import annotations

from importlib.util import find_spec

from core.errors import ConfigurationError
from duet.commands.training_env import continue_in_training_environment

SERVE = (
    "celery",
    "fastapi",
    "httptools",
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
        continue_in_training_environment(command, TRAINING)


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

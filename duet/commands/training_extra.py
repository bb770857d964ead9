"""Commands that need the `training` extra say so, instead of failing on an import."""

from __future__ import annotations

from importlib.util import find_spec

from core.errors import ConfigurationError

_NEEDED = (
    "torch",
    "torchvision",
    "captum",
    "jinja2",
    "markdown_it",
    "onnx",
    "onnxscript",
    "optuna",
    "safetensors",
    "sklearn",
    "matplotlib",
)


def require_training(command: str) -> None:
    """Check that what training needs is installed.

    Raises:
        ConfigurationError: it is not; the message says how to install it.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"{command} needs the training extra ({', '.join(missing)} not found): pip install -e '.[training]'"
        )

"""What methods, conditions and properties are called in words: the same in figures, tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_OWN: Mapping[str, str] = MappingProxyType(
    {"fgsm": "FGSM", "grad_cam": "Grad-CAM", "input_x_gradient": "input x gradient", "smoothgrad": "SmoothGrad"}
)


def plain(name: str) -> str:
    """A name in records, such as grad_cam, as people write it."""
    return _OWN.get(name, name.replace("_", " "))

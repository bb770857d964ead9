"""Display names of methods, conditions and properties for figures, tables and text."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_OWN: Mapping[str, str] = MappingProxyType(
    {"fgsm": "FGSM", "grad_cam": "Grad-CAM", "input_x_gradient": "input x gradient", "smoothgrad": "SmoothGrad"}
)


def plain(name: str) -> str:
    """Display name of a name in records, such as Grad-CAM for grad_cam."""
    return _OWN.get(name, name.replace("_", " "))

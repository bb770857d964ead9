"""Overlap of the augmentation of a version with the conditions of the robustness report.

The protocol keeps the fourteen corruptions of the evaluation out of training. Geometric operations and the side effects
of mixing resemble some of them, which is reported beside the accuracy under corruption.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from core.records.base import plain

_OVERLAPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "shift": ("translate", "augmix"),
        "rotation": ("rotate", "augmix"),
        "elastic_transform": ("rotate", "stretch", "augmix"),
        "brightness": ("augmix", "texture_mixing"),
        "contrast": ("augmix", "mixup", "texture_mixing"),
    }
)
"""Settings of the augmentation that resemble a condition in part."""


def overlaps(augmentation: Mapping[str, Any]) -> str:
    """Conditions that training images resemble, with the settings that cause it; empty for none.

    Args:
        augmentation: settings of the augmentation in a manifest; older versions lack some.

    Returns:
        Text such as `shift (translate, augmix), elastic transform (augmix)`.
    """
    causes = {name: [each for each in settings if augmentation.get(each)] for name, settings in _OVERLAPS.items()}
    return ", ".join(f"{plain(name)} ({', '.join(settings)})" for name, settings in causes.items() if settings)

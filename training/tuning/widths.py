"""Widths of layers, scaled to numbers that matrix products like."""

from __future__ import annotations

_MULTIPLE = 8


def scaled(widths: tuple[int, ...], factor: float) -> tuple[int, ...]:
    """Each width times `factor`, as the nearest multiple of eight, at least eight; as it is where the factor is 1."""
    if factor == 1:
        return widths
    return tuple(max(_MULTIPLE, round(width * factor / _MULTIPLE) * _MULTIPLE) for width in widths)

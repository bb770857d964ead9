"""Base class of frozen dataclasses of tensors that can be moved to a device."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class TensorFields:
    """Dataclass with tensor fields, and possibly nested `TensorFields`."""

    def to(self, device: torch.device) -> Self:
        """Copy with all tensors on another device."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        moved = {name: value.to(device) for name, value in values.items() if isinstance(value, Tensor | TensorFields)}
        return replace(self, **moved)

"""Base classes of the configuration models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Frozen model that rejects unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(Config, allow_inf_nan=False):
    """Base of the settings of a run: numbers must be finite."""

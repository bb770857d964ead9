"""Base of every configuration model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Immutable, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(Config, allow_inf_nan=False):
    """Base of what a run is decided by: numbers are finite."""

"""Base class of stored records, settings and messages."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """Frozen model that rejects unknown fields, so that misspelled settings and files of another schema are found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

"""Schemas of captured traffic: deletions."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from core.schemas.api import ResponseModel


class TrafficDeletion(ResponseModel):
    """Response of DELETE /traffic: the deleted records are hidden now, and erased from the disk later."""

    request_id: str | None = Field(description="the deleted request; null for a deletion by time")
    after: datetime | None = Field(description="begin of the deleted time, inclusive; null for the first request")
    before: datetime | None = Field(description="end of the deleted time, exclusive; null for a deletion by id")
    erased_by: datetime = Field(description="time by which the bytes are erased, if a process of the service runs")

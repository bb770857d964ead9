"""API schema of the built-in data set."""

from __future__ import annotations

from pydantic import Field

from core.schemas.api import ResponseModel


class BuiltinDataset(ResponseModel):
    """Response of GET /datasets/cifar10."""

    name: str
    data: str = Field(description="name in training jobs")
    classes: int = Field(ge=2)
    images: int = Field(ge=0)
    available: bool = Field(description="whether jobs find its files; their md5 is checked when a job reads them")
    download: str = Field(description="POST here to download it")
    download_bytes: int = Field(ge=0)

"""Query parameter `crop`: the part of an image to use."""

from __future__ import annotations

from functools import cached_property

from pydantic import BaseModel, Field, field_validator

from core.images.decode import Crop


class CropQuery(BaseModel):
    """Query of the routes that take images."""

    crop: str | None = Field(
        None,
        pattern=r"^\d{1,6},\d{1,6},\d{1,6},\d{1,6}$",
        description="use only a part of the image: left,top,width,height in pixels of the upright image",
    )

    @field_validator("crop")
    @classmethod
    def _check_size(cls, crop: str | None) -> str | None:
        if crop is not None and min(_parse(crop)[2:]) < 1:
            raise ValueError("width and height are at least 1")
        return crop

    @cached_property
    def part(self) -> Crop | None:
        """The part of the image; None for the whole image."""
        return None if self.crop is None else _parse(self.crop)


def _parse(crop: str) -> Crop:
    left, top, width, height = map(int, crop.split(","))
    return Crop(left, top, width, height)

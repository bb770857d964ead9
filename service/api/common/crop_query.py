"""The part of an image that is taken, as a query parameter of the routes that take images."""

from __future__ import annotations

from pydantic import BaseModel, Field, field_validator

from core.images.decode import Crop


class CropQuery(BaseModel):
    """Which part of the image the model is shown."""

    crop: str | None = Field(
        None,
        pattern=r"^\d{1,6},\d{1,6},\d{1,6},\d{1,6}$",
        description="show the model a part alone: left,top,width,height in pixels of the upright image",
    )

    @field_validator("crop")
    @classmethod
    def _holds_pixels(cls, crop: str | None) -> str | None:
        if crop is not None and min(_parsed(crop)[2:]) < 1:
            raise ValueError("width and height are at least 1")
        return crop

    @property
    def part(self) -> Crop | None:
        """The part; None for the whole image."""
        return None if self.crop is None else _parsed(self.crop)


def _parsed(crop: str) -> Crop:
    left, top, width, height = map(int, crop.split(","))
    return Crop(left, top, width, height)

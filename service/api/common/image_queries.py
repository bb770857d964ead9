"""Query parameters of the image routes: model, crop and explanation, and the image itself."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import Request

from core.images.decode import Crop
from core.records.explanations import SMOOTHGRAD_NOISE
from core.text_pattern import TextPattern
from core.tracing.spans import traced
from service.engine.decoder import Upload
from service.errors import InvalidParametersError
from service.saliency.baselines import Baseline
from service.saliency.methods import MethodName, Parameters, count_windows
from service.saliency.render import Layout
from service.state import state_of

METHOD_NAMES: tuple[MethodName, ...] = get_args(MethodName)
MAX_STEPS = 64
MAX_WINDOWS = 256
CropText = Annotated[
    str,
    TextPattern(
        r"^\d{1,6},\d{1,6},\d{1,6},\d{1,6}$", "a crop is left,top,width,height in whole pixels, such as 10,20,200,200"
    ),
]
_WINDOWS_PER_SIDE = 5
"""With windows that overlap by half, 100 of them cover an image."""


class ModelQuery(BaseModel):
    """Model selection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("cnn", min_length=1, max_length=64, description="model family")
    version: int | None = Field(None, ge=1, le=999_999_999, description="version number; default: the champion")


class CropQuery(BaseModel):
    """Part of an image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop: CropText | None = Field(
        None,
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


class ExplanationQuery(CropQuery):
    """Parameters of the explanation methods and layout of the image."""

    target: str | None = Field(
        None, max_length=256, description="class to explain, by label or index; default: the predicted class"
    )
    steps: int = Field(32, ge=1, le=MAX_STEPS, description="integrated_gradients: number of points on the path")
    samples: int = Field(16, ge=1, le=MAX_STEPS, description="smoothgrad: number of noisy copies of the image")
    noise: float = Field(
        SMOOTHGRAD_NOISE,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="smoothgrad: standard deviation of the noise; pixels are in [0, 1]",
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="smoothgrad: seed of the noise")
    window: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="occlusion: side of the window in pixels; default: a fifth of the image",
    )
    stride: int | None = Field(
        None, ge=1, le=65_535, description="occlusion: pixels between windows; default: half a window"
    )
    baseline: Baseline = Field("black", description="integrated_gradients and occlusion: image without information")
    layout: Layout = Field("side_by_side", description="png: maps beside the image, blended with it, or alone")

    def parameters(self, height: int, width: int) -> Parameters:
        """Parameters of all methods for images of this size.

        Raises:
            InvalidParametersError: the windows are larger than the image, leave gaps, or are too many.
        """
        window = self.window or max(1, max(height, width) // _WINDOWS_PER_SIDE)
        stride = self.stride or -(-window // 2)
        if window > min(height, width):
            raise InvalidParametersError([("window", f"cannot be larger than the input, {width}x{height}")])
        if stride > window:
            raise InvalidParametersError([("stride", f"at most the window, {window}, otherwise pixels are left out")])
        windows = count_windows(height, width, window, stride)
        if windows > MAX_WINDOWS:
            raise InvalidParametersError([("stride", f"{windows} windows, at most {MAX_WINDOWS}: use a larger stride")])
        return Parameters(self.steps, self.samples, self.noise, self.seed, window, stride, self.baseline)


def named_methods(text: str) -> tuple[MethodName, ...]:
    """Parse a comma-separated list of methods; duplicates are removed.

    Raises:
        ValueError: a method is unknown.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in METHOD_NAMES:
            raise ValueError(f"{name!r} is not a method: use one of {', '.join(METHOD_NAMES)}")
    return tuple(name for each in dict.fromkeys(names) for name in METHOD_NAMES if name == each)


def _parse(crop: str) -> Crop:
    left, top, width, height = map(int, crop.split(","))
    return Crop(left, top, width, height)


async def read_image(request: Request) -> Upload:
    """The only image in the body; see `BodyReader.read` for errors."""
    state = state_of(request)
    reader, deadline = state["body_reader"], state["context"].deadline
    work = reader.read(request.scope["headers"], request.receive, deadline=deadline, max_files=1)
    [upload] = await traced("receive", work)
    return upload

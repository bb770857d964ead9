"""POST /saliency: which pixels does the answer hang on?"""

from __future__ import annotations

from typing import Annotated, get_args

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from core.api import SaliencyResponse
from service.api.bodies import IMAGE_ERRORS, image_body
from service.api.saliency_answers import Asked, Format, answer_format, rendered
from service.api.saliency_examples import SALIENCY_SUCCESS
from service.connection import Connection
from service.engine.engine import Engine
from service.errors import (
    InvalidParametersError,
    MethodDoesNotFitError,
    NoGradientError,
    NotAcceptableError,
    PrecisionNotPublishedError,
    ProblemError,
    QueueFullError,
    TooManyExplanationsError,
    UnknownTargetError,
    responses,
)
from service.hot import HotRoute
from service.saliency.baselines import Baseline
from service.saliency.explainer import Explainer, class_index
from service.saliency.methods import MethodName, Parameters
from service.saliency.render import Layout
from service.saliency.windows import count_windows

router = APIRouter(tags=["explain"], route_class=HotRoute)
METHOD_NAMES: tuple[MethodName, ...] = get_args(MethodName)
MOST_WINDOWS = 4096
_WINDOWS_PER_SIDE = 8
_ERRORS: tuple[type[ProblemError], ...] = (
    *(error for error in IMAGE_ERRORS if error not in (QueueFullError, PrecisionNotPublishedError)),
    NoGradientError,
    UnknownTargetError,
    MethodDoesNotFitError,
    TooManyExplanationsError,
    NotAcceptableError,
)


class SaliencyQuery(BaseModel):
    """Which answer is explained, how, and in which form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("cnn", min_length=1, max_length=64, description="the model's name")
    version: int | None = Field(None, ge=1, le=999_999_999, description="the champion where none is given")
    target: str | None = Field(
        None, max_length=256, description="the class to explain, by label or index; the predicted one by default"
    )
    method: str = Field(
        "saliency", max_length=512, description=f"one or more of {', '.join(METHOD_NAMES)}, separated by commas"
    )
    steps: int = Field(32, ge=1, le=256, description="integrated_gradients: points on the path")
    samples: int = Field(16, ge=1, le=256, description="smoothgrad: noisy copies of the image")
    noise: float = Field(
        0.1, gt=0, le=1, allow_inf_nan=False, description="smoothgrad: standard deviation, of pixels in [0, 1]"
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="smoothgrad: of the noise")
    window: int | None = Field(
        None, ge=1, le=65_535, description="occlusion: side in pixels; an eighth of the image's by default"
    )
    stride: int | None = Field(
        None, ge=1, le=65_535, description="occlusion: pixels between windows; half a window by default"
    )
    baseline: Baseline = Field("black", description="integrated_gradients and occlusion: what holds no information")
    format: Format | None = Field(None, description="png, npy or json; by the header Accept where it is not given")
    layout: Layout = Field("side_by_side", description="png: the maps beside the image, or blended with it")

    @field_validator("method")
    @classmethod
    def _are_methods(cls, method: str) -> str:
        for name in method.split(","):
            if name.strip() not in METHOD_NAMES:
                raise ValueError(f"{name.strip()!r} is no method: there are {', '.join(METHOD_NAMES)}")
        return method

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """The methods in the order they were named, each once."""
        asked = dict.fromkeys(name.strip() for name in self.method.split(","))
        return tuple(name for each in asked for name in METHOD_NAMES if name == each)

    def parameters(self, height: int, width: int) -> Parameters:
        """All methods' parameters for images of this size.

        Raises:
            InvalidParametersError: the windows do not fit the image, leave pixels out, or are too many.
        """
        window = self.window or max(1, max(height, width) // _WINDOWS_PER_SIDE)
        stride = self.stride or max(1, window // 2)
        if window > min(height, width):
            raise InvalidParametersError([("window", f"the model's images are {width}x{height}: at most that wide")])
        if stride > window:
            raise InvalidParametersError([("stride", f"at most the window, {window}, or pixels would be left out")])
        windows = count_windows(height, width, window, stride)
        if windows > MOST_WINDOWS:
            raise InvalidParametersError([("stride", f"makes {windows} windows, more than {MOST_WINDOWS}: enlarge it")])
        return Parameters(self.steps, self.samples, self.noise, self.seed, window, stride, self.baseline)


@router.post(
    "/saliency",
    response_model=SaliencyResponse,
    responses={**SALIENCY_SUCCESS, **responses(*_ERRORS)},
    openapi_extra=image_body(many=False),
)
async def saliency(request: Request, query: Annotated[SaliencyQuery, Query()]) -> Response:
    """Show which pixels of one image speak for a class, by one or several methods.

    A picture, the maps as a NumPy array (float32 [H, W], or [M, H, W] of several methods), or JSON. With the first two,
    what JSON would say besides the maps is in headers that begin with `X-Duet-`.
    """
    scope = request.scope
    state, context = scope["state"], scope["state"]["context"]
    engine: Engine = state["engine"]
    explainer: Explainer = state["explainer"]
    form = query.format or answer_format(request.headers.get("accept", "*/*"))
    served = await engine.loaded(query.model, query.version, "fp32", deadline=context.deadline)
    target = None if query.target is None else class_index(query.target, served.labels)
    parameters = query.parameters(*served.size)
    explainer.check_room()
    [upload] = await state["uploads"].read(scope["headers"], request.receive, deadline=context.deadline, max_files=1)
    image = await engine.decode(served, upload, deadline=context.deadline)

    async def explained() -> Response:
        explanation = await explainer.explain(served, image.pixels_HWC, query.methods, parameters, target)
        asked = Asked(served, parameters, upload.filename, image.notes, form, query.layout)
        # A picture takes about as long as a model run, and waits its turn as one.
        return await explainer.in_background(lambda: rendered(explanation, asked, context))

    connection = Connection(request.receive)
    try:
        return await explainer.in_time(explained, context.deadline, connection)
    finally:
        connection.close()

"""POST /saliency: which pixels does the answer hang on?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from core.schemas.api import SaliencyResponse
from service.api.common.content_negotiation import preferred
from service.api.common.explanation_query import METHOD_NAMES, ExplanationQuery, named_methods
from service.api.common.openapi_bodies import EXPLANATION_ERRORS, IMAGE_ERRORS, image_body
from service.api.examples.saliency import SALIENCY_SUCCESS
from service.api.responses.saliency import MEDIA_TYPES, Format, SaliencyRender, rendered
from service.engine.engine import Engine
from service.errors import PrecisionNotPublishedError, ProblemError, responses
from service.http.disconnect import DisconnectWatcher
from service.http.fast_routes import FastRoute
from service.saliency.explainer import Explainer, class_index
from service.saliency.methods import MethodName

router = APIRouter(tags=["explain"], route_class=FastRoute)
_ERRORS: tuple[type[ProblemError], ...] = (
    *(error for error in IMAGE_ERRORS if error is not PrecisionNotPublishedError),
    *EXPLANATION_ERRORS,
)


class SaliencyQuery(ExplanationQuery):
    """Which answer is explained, how, and in which form."""

    model: str = Field("cnn", min_length=1, max_length=64, description="the model's name")
    version: int | None = Field(None, ge=1, le=999_999_999, description="the champion where none is given")
    method: str = Field(
        "saliency", max_length=512, description=f"one or more of {', '.join(METHOD_NAMES)}, separated by commas"
    )
    format: Format | None = Field(None, description="png, npy or json; by the header Accept where it is not given")

    @field_validator("method")
    @classmethod
    def _are_methods(cls, method: str) -> str:
        named_methods(method)
        return method

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """The methods in the order they were named, each once."""
        return named_methods(self.method)


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
    form = query.format or preferred(request.headers, MEDIA_TYPES)
    served = state["served"] = await engine.loaded(query.model, query.version, "fp32", deadline=context.deadline)
    target = None if query.target is None else class_index(query.target, served.labels)
    parameters = query.parameters(*served.size)
    explainer.check_capacity()
    [upload] = await state["body_reader"].read(
        scope["headers"], request.receive, deadline=context.deadline, max_files=1
    )
    image = await engine.decode(served, upload, deadline=context.deadline, crop=query.part)

    async def explained() -> Response:
        explanation = await explainer.explain(served, image.pixels_HWC, query.methods, parameters, target)
        asked = SaliencyRender(served, parameters, upload.filename, image.notes, form, query.layout)
        # A picture takes about as long as a model run, and waits its turn as one.
        return await explainer.in_background(lambda: rendered(explanation, asked, context))

    connection = DisconnectWatcher(request.receive)
    try:
        return await explainer.run_until(explained, context.deadline, connection)
    finally:
        connection.close()

"""POST /saliency: saliency maps of a prediction."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from core.schemas.api import SaliencyResponse
from service.api.common.content_negotiation import preferred
from service.api.common.explanation_query import METHOD_NAMES, ExplanationQuery, named_methods
from service.api.common.openapi_bodies import EXPLANATION_ERRORS, IMAGE_ERRORS, image_body
from service.api.examples import load_example
from service.api.responses.saliency import MEDIA_TYPES, Format, SaliencyRender, rendered
from service.errors import PrecisionNotPublishedError, ProblemError, responses
from service.http.fast_routes import FastRoute
from service.http.request_body import DisconnectWatcher
from service.saliency.explainer import class_index
from service.saliency.methods import MethodName
from service.state import state_of

router = APIRouter(tags=["explain"], route_class=FastRoute)
_ERRORS: tuple[type[ProblemError], ...] = (
    *(error for error in IMAGE_ERRORS if error is not PrecisionNotPublishedError),
    *EXPLANATION_ERRORS,
)
_HEADERS = {
    "X-Duet-Model": ("explained version", "cnn@3"),
    "X-Duet-Predicted": ("label of the most probable class, percent-encoded", "dog"),
    "X-Duet-Target": ("label of the explained class, percent-encoded", "dog"),
    "X-Duet-Target-Facts": ("`target` of the JSON response", '{"label": "dog", "index": 5}'),
    "X-Duet-Maps": ("`maps` of the JSON response without values", '[{"method": "saliency", "flat": false}]'),
    "X-Duet-Notes": ("changes made to the image before prediction", '["resized from 640x480"]'),
}

_SUCCESS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The maps in the requested format; PNG and NumPy responses have the headers",
        "headers": {
            name: {"description": description, "schema": {"type": "string"}, "example": example}
            for name, (description, example) in _HEADERS.items()
        },
        "content": {
            "image/png": {"schema": {"type": "string", "format": "binary"}, "example": "\x89PNG..."},
            "application/x-npy": {"schema": {"type": "string", "format": "binary"}, "example": "\x93NUMPY..."},
            "application/json": {"example": load_example("saliency")},
        },
    }
}


class SaliencyQuery(ExplanationQuery):
    """Model, methods and response format."""

    model: str = Field("cnn", min_length=1, max_length=64, description="model family")
    version: int | None = Field(None, ge=1, le=999_999_999, description="version number; default: the champion")
    method: str = Field(
        "saliency", max_length=512, description=f"one or more of {', '.join(METHOD_NAMES)}, separated by commas"
    )
    format: Format | None = Field(None, description="png, npy or json; default: selected by the Accept header")

    @field_validator("method")
    @classmethod
    def _check_methods(cls, method: str) -> str:
        named_methods(method)
        return method

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """The methods in order, without duplicates."""
        return named_methods(self.method)


@router.post(
    "/saliency",
    response_model=SaliencyResponse,
    responses={**_SUCCESS, **responses(*_ERRORS)},
    openapi_extra=image_body(many=False),
)
async def saliency(request: Request, query: Annotated[SaliencyQuery, Query()]) -> Response:
    """Compute saliency maps for one image by one or several methods.

    The response is an image, a NumPy array (float32 [H, W], or [M, H, W] for several methods) or JSON. For the
    first two formats, the other fields of the JSON response are in headers that begin with `X-Duet-`.
    """
    state = state_of(request)
    context = state["context"]
    engine = state["engine"]
    explainer = state["explainer"]
    form = query.format or preferred(request.headers, MEDIA_TYPES)
    served = state["served"] = await engine.loaded(query.model, query.version, "fp32", deadline=context.deadline)
    target = None if query.target is None else class_index(query.target, served.labels)
    parameters = query.parameters(*served.size)
    explainer.check_capacity()
    [upload] = await state["body_reader"].read(
        request.scope["headers"], request.receive, deadline=context.deadline, max_files=1
    )
    connection = DisconnectWatcher(request.scope, request.receive)

    async def explained() -> Response:
        image = await engine.decode(served, upload, deadline=context.deadline, client=connection, crop=query.part)
        explanation = await explainer.explain(served, image.pixels_HWC, query.methods, parameters, target)
        render = SaliencyRender(served, parameters, upload.filename, image.notes, form, query.layout)
        # Drawing takes about as long as a model run, so it runs in the background as well.
        return await explainer.in_background(lambda: rendered(explanation, render, context))

    try:
        return await explainer.run_until(explained, context.deadline, connection)
    finally:
        connection.close()

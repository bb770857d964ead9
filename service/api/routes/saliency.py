"""/saliency: saliency maps of a prediction, and the methods that a version supports."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from core.schemas.api import FittingMethod, FittingMethods, SaliencyResponse
from core.tracing.spans import traced
from service.api.common.content_negotiation import preferred
from service.api.common.explanation_response import MEDIA_TYPES, Format, SaliencyRender, rendered
from service.api.common.image_queries import METHOD_NAMES, ExplanationQuery, ModelQuery, named_methods, read_image
from service.api.common.openapi import (
    BINARY,
    EXPLANATION_ERRORS,
    IMAGE_ERRORS,
    PNG,
    VERSION_ERRORS,
    content,
    image_body,
    success,
)
from service.api.deps import OPTIONAL_KEY, StateDep, check_evaluations
from service.api.examples import load_example
from service.errors import DeadlineExceededError, responses
from service.http.fast_routes import FastRoute
from service.http.request_body import DisconnectWatcher
from service.saliency.explainer import class_index
from service.saliency.methods import METHODS, MethodName, count_evaluations
from service.state import state_of

router = APIRouter(tags=["explain"], route_class=FastRoute)
methods_router = APIRouter(tags=["explain"])
_HEADERS = {
    "X-Duet-Model": ("explained version", "cnn@3"),
    "X-Duet-Predicted": ("label of the most probable class, percent-encoded", "dog"),
    "X-Duet-Target": ("label of the explained class, percent-encoded", "dog"),
    "X-Duet-Target-Facts": ("`target` of the JSON response", '{"label": "dog", "index": 5}'),
    "X-Duet-Maps": ("`maps` of the JSON response without values", '[{"method": "saliency", "flat": false}]'),
    "X-Duet-Notes": ("changes made to the image before prediction", '["resized from 640x480"]'),
}

_SUCCESS = content(
    "The maps in the requested format; PNG and NumPy responses have the headers",
    {
        **PNG,
        "application/x-npy": {"schema": BINARY, "example": "\x93NUMPY..."},
        "application/json": {"example": load_example("saliency")},
    },
    _HEADERS,
)
_METHODS_EXAMPLE = FittingMethods(
    model="cnn",
    version=3,
    methods=(FittingMethod(method="integrated_gradients", signed=True, parameters=("steps", "baseline")),),
).model_dump(mode="json")


class SaliencyQuery(ExplanationQuery, ModelQuery):
    """Model, methods and response format."""

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
    responses={**_SUCCESS, **responses(*IMAGE_ERRORS, *EXPLANATION_ERRORS)},
    openapi_extra={**image_body(many=False), **OPTIONAL_KEY},
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
    await check_evaluations(request, count_evaluations(query.methods, parameters, *served.size))
    explainer.check_capacity()
    upload = await read_image(request)
    client = DisconnectWatcher(request.scope, request.receive)

    async def explained() -> Response:
        image = await engine.decode(served, upload, deadline=context.deadline, client=client, crop=query.part)
        explanation = await explainer.explain(served, image.pixels_HWC, query.methods, parameters, target)
        render = SaliencyRender(served, parameters, upload.filename, image.notes, form, query.layout)
        # Drawing takes about as long as a model run, so it runs in the background as well.
        work = explainer.in_background(lambda: rendered(explanation, render, context))
        return await traced("postprocess", work)

    with closing(client):
        return await explainer.run_until(explained, context.deadline, client)


@methods_router.get(
    "/saliency",
    responses={
        **success(_METHODS_EXAMPLE, "Supported methods; only occlusion if the version has no gradient.onnx"),
        **responses(*VERSION_ERRORS, DeadlineExceededError),
    },
)
async def list_methods(query: Annotated[ModelQuery, Query()], state: StateDep) -> FittingMethods:
    """List the explanation methods that a version supports, and load its gradient graph."""
    deadline = state["context"].deadline
    served = await state["engine"].loaded(query.model, query.version, "fp32", deadline=deadline)
    try:
        async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
            gradients = None if served.gradient is None else await served.gradient.opened()
    except TimeoutError:
        raise DeadlineExceededError(
            f"{query.model} was not loaded before the deadline of the request: try again later"
        ) from None
    fitting = (
        FittingMethod(method=name, signed=method.signed, parameters=method.parameters)
        for name, method in METHODS.items()
        if not method.needs_gradient
        or (gradients is not None and (gradients.has_features or not method.needs_features))
    )
    return FittingMethods(model=served.family, version=served.version, methods=tuple(fitting))

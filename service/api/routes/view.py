"""POST /view: an image as model input, after decoding, cropping and resizing."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from service.api.common.crop_query import CropQuery
from service.api.common.openapi_bodies import IMAGE_ERRORS, image_body
from service.errors import PrecisionNotPublishedError, ProblemError, responses
from service.http.fast_routes import FastRoute
from service.saliency.render import to_png
from service.state import state_of

router = APIRouter(tags=["predict"], route_class=FastRoute)
_ERRORS: tuple[type[ProblemError], ...] = tuple(
    error for error in IMAGE_ERRORS if error is not PrecisionNotPublishedError
)
_SUCCESS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The model input, pixel for pixel",
        "headers": {
            "X-Duet-Model": {
                "description": "version whose input is shown",
                "schema": {"type": "string"},
                "example": "cnn@3",
            },
            "X-Duet-Notes": {
                "description": "changes made to the image, as a JSON array",
                "schema": {"type": "string"},
                "example": '["resized from 640x480"]',
            },
        },
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}, "example": "\x89PNG..."}},
    }
}


class ViewQuery(CropQuery):
    """Model selection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("cnn", min_length=1, max_length=64, description="model family")
    version: int | None = Field(None, ge=1, le=999_999_999, description="version number; default: the champion")


@router.post(
    "/view",
    response_class=Response,
    responses={**_SUCCESS, **responses(*_ERRORS)},
    openapi_extra=image_body(many=False),
)
async def view(request: Request, query: Annotated[ViewQuery, Query()]) -> Response:
    """Return an image as the model receives it: decoded, cropped and resized to its input size, as a PNG."""
    state = state_of(request)
    context = state["context"]
    engine = state["engine"]
    served = state["served"] = await engine.loaded(query.model, query.version, "fp32", deadline=context.deadline)
    [upload] = await state["body_reader"].read(
        request.scope["headers"], request.receive, deadline=context.deadline, max_files=1
    )
    image = await engine.decode(served, upload, deadline=context.deadline, crop=query.part)
    headers = {"X-Duet-Model": served.manifest.reference, "X-Duet-Notes": json.dumps(image.notes)}
    return Response(to_png(image.pixels_HWC), media_type="image/png", headers=headers)

"""POST /view: an image as model input, after decoding, cropping and resizing."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from service.api.common.image_queries import CropQuery, ModelQuery, read_image
from service.api.common.openapi import IMAGE_ERRORS, PNG, content, image_body
from service.api.deps import OPTIONAL_KEY
from service.errors import responses
from service.http.fast_routes import FastRoute
from service.saliency.render import to_png
from service.state import state_of

router = APIRouter(tags=["predict"], route_class=FastRoute)
_SUCCESS = content(
    "The model input, pixel for pixel",
    PNG,
    {
        "X-Duet-Model": ("version whose input is shown", "cnn@3"),
        "X-Duet-Notes": ("changes made to the image, as a JSON array", '["resized from 640x480"]'),
    },
)


class ViewQuery(CropQuery, ModelQuery):
    """Model and part of the image."""


@router.post(
    "/view",
    response_class=Response,
    responses={**_SUCCESS, **responses(*IMAGE_ERRORS)},
    openapi_extra={**image_body(many=False), **OPTIONAL_KEY},
)
async def view(request: Request, query: Annotated[ViewQuery, Query()]) -> Response:
    """Return an image as the model receives it: decoded, cropped and resized to its input size, as a PNG."""
    state = state_of(request)
    context = state["context"]
    engine = state["engine"]
    served = state["served"] = await engine.loaded(query.model, query.version, "fp32", deadline=context.deadline)
    upload = await read_image(request)
    image = await engine.decode(served, upload, deadline=context.deadline, crop=query.part)
    headers = {"X-Duet-Model": served.manifest.reference, "X-Duet-Notes": json.dumps(image.notes)}
    return Response(to_png(image.pixels_HWC), media_type="image/png", headers=headers)

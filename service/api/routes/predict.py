"""POST /predict: what is in these pictures?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from core.repository.manifest import Precision
from core.schemas.api import PredictResponse
from service.api.common.crop_query import CropQuery
from service.api.common.openapi_bodies import IMAGE_ERRORS, image_body, success
from service.api.examples.models import PREDICT_EXAMPLE
from service.api.responses.json import json_answer
from service.engine.engine import Engine
from service.errors import ViewsNotMeasuredError, responses
from service.http.disconnect import DisconnectWatcher
from service.http.fast_routes import FastRoute

router = APIRouter(tags=["predict"], route_class=FastRoute)


class PredictQuery(CropQuery):
    """Which model answers, and how much it says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("cnn", min_length=1, max_length=64, description="the model's name")
    version: int | None = Field(None, ge=1, le=999_999_999, description="the champion where none is given")
    precision: Precision | None = Field(None, description="fp32 or int8; as the service is set up where none is given")
    top_k: int = Field(3, ge=1, le=1000, description="classes to list; all where the model knows fewer")
    tta: bool = Field(
        False, description="average the answers to six views of each image: more often right, and six times the work"
    )


@router.post(
    "/predict",
    response_model=PredictResponse,
    responses={
        **success(PREDICT_EXAMPLE, "One prediction per image, in order"),
        **responses(*IMAGE_ERRORS, ViewsNotMeasuredError),
    },
    openapi_extra=image_body(many=True),
)
async def predict(request: Request, query: Annotated[PredictQuery, Query()]) -> Response:
    """Say what one image shows, or each of several.

    Send the files in the multipart field `file`, or one image as the body itself with its `image/*` content type.
    """
    scope = request.scope
    state, context = scope["state"], scope["state"]["context"]
    engine: Engine = state["engine"]
    served = state["served"] = await engine.find(query.model, query.version, query.precision, deadline=context.deadline)
    uploads = await state["body_reader"].read(scope["headers"], request.receive, deadline=context.deadline)
    connection = DisconnectWatcher(request.receive)
    try:
        predictions, timings = await engine.predict(
            served,
            uploads,
            top_k=query.top_k,
            begun=context.started,
            deadline=context.deadline,
            client=connection,
            tta=query.tta,
            crop=query.part,
        )
    finally:
        connection.close()
    return json_answer({"predictions": predictions}, timings, context)

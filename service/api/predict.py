"""POST /predict: what is in these pictures?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from core.api import PredictResponse
from service.api.bodies import IMAGE_ERRORS, image_body, success
from service.api.dependencies import ContextDep, EngineDep, LimitsDep, while_connected
from service.api.examples import PREDICT_EXAMPLE
from service.api.timing import timing_of
from service.errors import responses
from service.uploads import read_uploads

router = APIRouter(tags=["predict"])


class PredictQuery(BaseModel):
    """Which model answers, and how much it says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("cnn", min_length=1, max_length=64, description="the model's name")
    version: int | None = Field(None, ge=1, le=999_999_999, description="the champion where none is given")
    top_k: int = Field(3, ge=1, le=1000, description="classes to list; all where the model knows fewer")


@router.post(
    "/predict",
    response_model=PredictResponse,
    responses={**success(PREDICT_EXAMPLE, "One prediction per image, in order"), **responses(*IMAGE_ERRORS)},
    openapi_extra=image_body(many=True),
)
async def predict(
    request: Request,
    query: Annotated[PredictQuery, Query()],
    engine: EngineDep,
    context: ContextDep,
    limits: LimitsDep,
) -> Response:
    """Say what one image shows, or each of several.

    Send the files in the multipart field `file`, or one image as the body itself with its `image/*` content type.
    """
    served = await engine.find(query.model, query.version, deadline=context.deadline)
    uploads = await read_uploads(request, limits, deadline=context.deadline)
    async with while_connected(request.receive):
        predictions, spent = await engine.predict(served, uploads, top_k=query.top_k, deadline=context.deadline)
    answer = PredictResponse(predictions=tuple(predictions), timing_ms=timing_of(spent, context), request_id=context.id)
    return Response(answer.model_dump_json(), media_type="application/json")

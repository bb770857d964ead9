"""POST /predict: classification of one or more images."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from core.images.tta_views import VIEW_WEIGHTS
from core.repository.manifest import Precision
from core.schemas.api import PredictResponse
from core.tracing.spans import traced
from service.api.common.image_queries import CropQuery, ModelQuery
from service.api.common.openapi import EVALUATION_ERRORS, IMAGE_ERRORS, image_body, success
from service.api.deps import OPTIONAL_KEY, check_evaluations
from service.api.examples import load_example
from service.errors import PrecisionNotPublishedError, ViewsNotMeasuredError, responses
from service.http.admission import PREDICT
from service.http.fast_routes import FastJsonResponse, FastRoute
from service.http.request_body import DisconnectWatcher
from service.state import RequestState

router = APIRouter(tags=["predict"], route_class=FastRoute)


class PredictQuery(CropQuery, ModelQuery):
    """Model selection and level of detail."""

    precision: Precision | None = Field(
        None, description="fp32, bf16 or int8; default: the preferred precision of the service"
    )
    top_k: int = Field(3, ge=1, le=1000, description="number of classes to list, limited to the classes of the model")
    tta: bool = Field(
        False,
        description="test-time augmentation: average over six views; more accurate, but six times the work; without a "
        "key, at most 36 images",
    )


@router.post(
    PREDICT,
    response_model=PredictResponse,
    responses={
        **success(load_example("predict"), "One prediction per image, in order"),
        **responses(*IMAGE_ERRORS, *EVALUATION_ERRORS, PrecisionNotPublishedError, ViewsNotMeasuredError),
    },
    openapi_extra={**image_body(many=True), **OPTIONAL_KEY},
)
async def predict(request: Request, query: Annotated[PredictQuery, Query()]) -> Response:
    """Classify one or more images.

    Send the files in the multipart field `file`, or one image as the body with its `image/*` content type.
    """
    state: RequestState = request.scope["state"]
    engine, context = state["engine"], state["context"]
    # HttpProtocol has already admitted most requests.
    served = state.get("served") or await engine.admit(
        query.model, query.version, query.precision, deadline=context.deadline, caller=state["caller"].id
    )
    state["served"] = served
    reader = state["body_reader"]
    uploads = await traced("receive", reader.read(request.scope["headers"], request.receive, deadline=context.deadline))
    if query.tta:
        await check_evaluations(request, len(uploads) * len(VIEW_WEIGHTS))
    with closing(DisconnectWatcher(request.scope, request.receive)) as client:
        predictions, timings = await engine.predict(
            served,
            uploads,
            top_k=query.top_k,
            begun=context.started,
            deadline=context.deadline,
            client=client,
            tta=query.tta,
            crop=query.part,
            request_id=context.id,
        )
    timing_ms = timings.milliseconds(context.started)
    return FastJsonResponse({"predictions": predictions, "timing_ms": timing_ms, "request_id": context.id})

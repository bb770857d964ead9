"""POST /compare: several models on the same picture."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from core.api import CompareResponse
from service.api.bodies import IMAGE_ERRORS, image_body, success
from service.api.dependencies import ContextDep, EngineDep, LimitsDep, while_connected
from service.api.examples import COMPARE_EXAMPLE
from service.api.timing import timing_of
from service.catalogue import Reference
from service.errors import responses
from service.uploads import UploadLimits, read_uploads

router = APIRouter(tags=["predict"])
MOST_MODELS = 8


class CompareQuery(BaseModel):
    """Which models answer, and how much they say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: str = Field("mlp,cnn", max_length=512, description="two or more, such as `mlp,cnn` or `cnn@1,cnn@2`")
    top_k: int = Field(3, ge=1, le=1000, description="classes to list per model; all where it knows fewer")

    @field_validator("models")
    @classmethod
    def _are_references(cls, models: str) -> str:
        count = len([Reference.parse(part) for part in models.split(",")])
        if not 2 <= count <= MOST_MODELS:
            raise ValueError(f"name 2 to {MOST_MODELS} models, separated by commas, not {count}")
        return models

    @property
    def references(self) -> list[Reference]:
        """The models in the order they were named."""
        return [Reference.parse(part) for part in self.models.split(",")]


@router.post(
    "/compare",
    response_model=CompareResponse,
    responses={**success(COMPARE_EXAMPLE, "Every model's answer to the image"), **responses(*IMAGE_ERRORS)},
    openapi_extra=image_body(many=False),
)
async def compare(
    request: Request,
    query: Annotated[CompareQuery, Query()],
    engine: EngineDep,
    context: ContextDep,
    limits: LimitsDep,
) -> Response:
    """Ask both families, or any versions, what one image shows, and how far apart their answers are."""
    versions = [
        await engine.find(reference.family, reference.version, deadline=context.deadline)
        for reference in query.references
    ]
    one_file = UploadLimits(limits.max_body_bytes, 1, limits.deadline_seconds)
    [upload] = await read_uploads(request, one_file, deadline=context.deadline)
    async with while_connected(request.receive):
        comparison, spent = await engine.compare(versions, upload, top_k=query.top_k, deadline=context.deadline)
    answer = CompareResponse(
        predictions=tuple(comparison.predictions),
        agree=comparison.agree,
        divergence=comparison.divergence,
        timing_ms=timing_of(spent, context),
        request_id=context.id,
    )
    return Response(answer.model_dump_json(), media_type="application/json")

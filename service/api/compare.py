"""POST /compare: several models on the same picture."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from core.api import CompareResponse
from core.manifest import Precision
from service.api.answers import json_answer
from service.api.bodies import IMAGE_ERRORS, image_body, success
from service.api.examples import COMPARE_EXAMPLE
from service.catalogue import Reference
from service.connection import Connection
from service.engine.engine import Engine
from service.errors import responses
from service.hot import HotRoute

router = APIRouter(tags=["predict"], route_class=HotRoute)
MOST_MODELS = 8


class CompareQuery(BaseModel):
    """Which models answer, and how much they say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: str = Field("mlp,cnn", max_length=512, description="two or more, such as `mlp,cnn` or `cnn@1,cnn@2`")
    precision: Precision | None = Field(None, description="fp32 or int8; as the service is set up where none is given")
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
async def compare(request: Request, query: Annotated[CompareQuery, Query()]) -> Response:
    """Ask both families, or any versions, what one image shows, and how far apart their answers are."""
    scope = request.scope
    state, context = scope["state"], scope["state"]["context"]
    engine: Engine = state["engine"]
    versions = [
        await engine.find(reference.family, reference.version, query.precision, deadline=context.deadline)
        for reference in query.references
    ]
    [upload] = await state["uploads"].read(scope["headers"], request.receive, deadline=context.deadline, max_files=1)
    connection = Connection(request.receive)
    try:
        comparison, spent = await engine.compare(
            versions, upload, top_k=query.top_k, deadline=context.deadline, client=connection
        )
    finally:
        connection.close()
    answer = {
        "predictions": comparison.predictions,
        "agree": comparison.agree,
        "divergence": comparison.divergence,
    }
    return json_answer(answer, spent, context)

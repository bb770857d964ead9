"""GET /saliency: which methods fit a version, so that a form need not offer what would be refused."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from core.schemas.api import FittingMethod, FittingMethods
from service.api.common.openapi_bodies import success
from service.api.common.openapi_errors import VERSION_ERRORS
from service.api.deps import EngineDep
from service.errors import DeadlineExceededError, responses
from service.saliency.methods import METHODS

router = APIRouter(tags=["explain"])
_EXAMPLE: Any = FittingMethods(
    model="cnn",
    version=3,
    methods=(FittingMethod(method="integrated_gradients", signed=True, parameters=("steps", "baseline")),),
).model_dump(mode="json")


class VersionQuery(BaseModel):
    """Which version is meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("cnn", min_length=1, max_length=64, description="the model's name")
    version: int | None = Field(None, ge=1, le=999_999_999, description="the champion where none is given")


@router.get(
    "/saliency",
    responses={
        **success(_EXAMPLE, "The methods that fit; none where the version was published without gradient.onnx"),
        **responses(*VERSION_ERRORS, DeadlineExceededError),
    },
)
async def list_methods(request: Request, query: Annotated[VersionQuery, Query()], engine: EngineDep) -> FittingMethods:
    """List the methods by which a version's answers can be explained; it is made ready to do so meanwhile."""
    deadline = request.state.context.deadline
    served = await engine.loaded(query.model, query.version, "fp32", deadline=deadline)
    try:
        async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
            gradients = None if served.gradient is None else await served.gradient.opened()
    except TimeoutError:
        raise DeadlineExceededError(f"{query.model} was not made ready before the request's deadline") from None
    fitting = (
        FittingMethod(method=name, signed=method.signed, parameters=method.parameters)
        for name, method in METHODS.items()
        if gradients is not None and (gradients.has_features or not method.needs_features)
    )
    return FittingMethods(model=served.family, version=served.version, methods=tuple(fitting))

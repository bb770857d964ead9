"""GET /saliency: explanation methods that a version supports."""

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
from service.state import state_of

router = APIRouter(tags=["explain"])
_EXAMPLE: Any = FittingMethods(
    model="cnn",
    version=3,
    methods=(FittingMethod(method="integrated_gradients", signed=True, parameters=("steps", "baseline")),),
).model_dump(mode="json")


class VersionQuery(BaseModel):
    """Model selection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("cnn", min_length=1, max_length=64, description="model family")
    version: int | None = Field(None, ge=1, le=999_999_999, description="version number; default: the champion")


@router.get(
    "/saliency",
    responses={
        **success(_EXAMPLE, "Supported methods; empty if the version has no gradient.onnx"),
        **responses(*VERSION_ERRORS, DeadlineExceededError),
    },
)
async def list_methods(request: Request, query: Annotated[VersionQuery, Query()], engine: EngineDep) -> FittingMethods:
    """List the explanation methods that a version supports, and load its gradient graph."""
    deadline = state_of(request)["context"].deadline
    served = await engine.loaded(query.model, query.version, "fp32", deadline=deadline)
    try:
        async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
            gradients = None if served.gradient is None else await served.gradient.opened()
    except TimeoutError:
        raise DeadlineExceededError(f"{query.model} was not loaded before the deadline of the request") from None
    fitting = (
        FittingMethod(method=name, signed=method.signed, parameters=method.parameters)
        for name, method in METHODS.items()
        if gradients is not None and (gradients.has_features or not method.needs_features)
    )
    return FittingMethods(model=served.family, version=served.version, methods=tuple(fitting))

"""GET /metrics/compare: comparison of two versions on the same test images, as JSON or as a page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import Response

from core.comparison.schemas import MetricsComparison
from core.errors import DifferentImagesError, NotEvaluatedError
from service.api.common.openapi import VERSION_ERRORS, content
from service.api.common.page_or_data import PAGE_CONTENT, VARY, PageOrData
from service.api.deps import CatalogDep, StateDep
from service.api.examples import load_example
from service.errors import (
    DeadlineExceededError,
    NotAcceptableError,
    responses,
)
from service.models.catalog import ModelRef
from service.web.assets import REVALIDATE


class ComparisonRoute(PageOrData):
    """Route with the comparison page."""

    page_path = "/ui/comparison"


router = APIRouter(tags=["metrics"], route_class=ComparisonRoute)


class ComparisonQuery(BaseModel):
    """Versions to compare."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str = Field("mlp", max_length=64, description="`mlp` for the champion, or a version such as `mlp@1`")
    second: str = Field("cnn", max_length=64, description="as `first`; may be of the same model")

    @field_validator("first", "second")
    @classmethod
    def _check_reference(cls, text: str) -> str:
        ModelRef.parse(text)
        return text


@router.get(
    "/metrics/compare",
    response_model=MetricsComparison,
    responses={
        **content(
            "Test scores of both versions and the significance of their difference; a page for browsers",
            {
                "application/json": {"example": load_example("metrics_compare")},
                "text/html": PAGE_CONTENT,
            },
        ),
        **responses(
            *VERSION_ERRORS,
            NotAcceptableError,
            DifferentImagesError,
            NotEvaluatedError,
            DeadlineExceededError,
        ),
    },
)
async def compare_evaluations(
    query: Annotated[ComparisonQuery, Query()], catalog: CatalogDep, state: StateDep
) -> Response:
    """Compare two versions on the test images; `significance` states whether one is better.

    The response has scores with 95 % intervals, overall and per class, confusion matrices, McNemar's exact test,
    agreement, the classes that differ after Holm's correction, calibration, robustness if measured, and cost.
    Differences are paired: they are computed from the stored predictions for each image. With `Accept: text/html` the
    response is a page.
    """
    first, second = ModelRef.parse(query.first), ModelRef.parse(query.second)
    body = await state["comparisons"].compare(catalog, first, second, deadline=state["context"].deadline)
    headers = {"Vary": VARY, "Cache-Control": REVALIDATE}
    return Response(body, headers=headers, media_type="application/json")

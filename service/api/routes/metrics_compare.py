"""GET /metrics/compare: two versions on the same test images, as JSON for programs and as a page for people."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from core.comparison.schemas import MetricsComparison
from service.api.common.content_negotiation import preferred
from service.api.deps import CatalogDep
from service.api.examples.metrics_compare import METRICS_COMPARE_EXAMPLE
from service.errors import (
    DeadlineExceededError,
    DifferentDataError,
    InternalServiceError,
    InvalidParametersError,
    NoEvaluationError,
    NotAcceptableError,
    NotReadyError,
    UnknownModelError,
    UnknownModelVersionError,
    VersionRefusedError,
    responses,
)
from service.models.catalog import ModelRef
from service.models.comparisons import Comparisons
from service.web.answers import REVALIDATE, SECURITY_HEADERS, answer
from service.web.pages import Site

PAGE_PATH = "/ui/comparison"
_FORMS = {"application/json": "json", "text/html": "html"}
_VARY = "Accept, Accept-Encoding"


class PageOrData(APIRoute):
    """A route that gives a browser the comparison's page, which then asks the same address for the data."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the data, unless the header Accept likes HTML better."""
        data = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if preferred(request.headers, _FORMS) == "json":
                return await data(request)
            site: Site = request.state.site
            page = answer(site.pages[PAGE_PATH], request.headers, caching=REVALIDATE, headers=SECURITY_HEADERS)
            page.headers["Vary"] = _VARY
            return page

        return handle


router = APIRouter(tags=["metrics"], route_class=PageOrData)


class ComparisonQuery(BaseModel):
    """Which two versions are compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str = Field("mlp", max_length=64, description="a model such as `mlp` (its champion) or `mlp@1`")
    second: str = Field("cnn", max_length=64, description="as `first`; both may be of one model")

    @field_validator("first", "second")
    @classmethod
    def _is_reference(cls, text: str) -> str:
        ModelRef.parse(text)
        return text


@router.get(
    "/metrics/compare",
    response_model=MetricsComparison,
    responses={
        200: {
            "description": "Both versions' test scores, their difference and what it amounts to; to a browser, a page",
            "content": {
                "application/json": {"example": METRICS_COMPARE_EXAMPLE},
                "text/html": {"schema": {"type": "string"}, "example": "<!doctype html> ..."},
            },
        },
        **responses(
            UnknownModelError,
            UnknownModelVersionError,
            NotAcceptableError,
            DifferentDataError,
            NoEvaluationError,
            VersionRefusedError,
            InvalidParametersError,
            InternalServiceError,
            NotReadyError,
            DeadlineExceededError,
        ),
    },
)
async def compare_evaluations(
    request: Request, query: Annotated[ComparisonQuery, Query()], catalog: CatalogDep
) -> Response:
    """Compare two versions on the test images: `significance` says in words whether one is better.

    Its numbers are beside it: scores with 95 % intervals, overall and per class, confusion matrices, McNemar's exact
    test, agreement, which classes differ after Holm's correction, calibration, robustness where it was measured, and
    cost. Differences are those of the stored answers to each image, not of two separate accuracies. By `Accept:
    text/html` the same as a page.
    """
    comparisons: Comparisons = request.state.comparisons
    first, second = ModelRef.parse(query.first), ModelRef.parse(query.second)
    body = await comparisons.compare(catalog, first, second, deadline=request.state.context.deadline)
    headers = {"Vary": _VARY, "Cache-Control": REVALIDATE}
    return Response(body, headers=headers, media_type="application/json")

"""GET /metrics/live: figures and alarms of captured traffic, as JSON or as a page."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from core.schemas.live import LiveFigures
from service.api.common.openapi import content
from service.api.common.page_or_data import PAGE_CONTENT, VARY, PageOrData
from service.api.deps import StateDep
from service.api.examples import load_example
from service.errors import NotAcceptableError, responses
from service.live.monitor import no_figures


class LiveRoute(PageOrData):
    """Route with the page of live figures."""

    page_path = "/ui/live"


router = APIRouter(tags=["metrics"], route_class=LiveRoute)


@router.get(
    "/metrics/live",
    response_model=LiveFigures,
    responses={
        **content(
            "Figures of the recent captured images, estimates from labels, tests and alarms; a page for browsers",
            {"application/json": {"example": load_example("metrics_live")}, "text/html": PAGE_CONTENT},
        ),
        **responses(NotAcceptableError),
    },
)
async def live_figures(state: StateDep) -> Response:
    """Return the figures of captured traffic, which a child process updates every few seconds.

    Shares and means cover the most recent images. The accuracy is estimated from labels with a known probability, with
    an interval that may be looked at any number of times. `coverage` and `drift` have the evidence of sequential tests,
    and `alarms` those that were raised. All are empty unless traffic is or was captured (`DUET_CAPTURE_SHARE`). With
    `Accept: text/html` the response is a page. `trials` has the newest shadow trial of each model.
    """
    live = state["live"]
    figures = no_figures(capturing=False) if live is None else live.figures
    figures = figures.model_copy(update={"trials": state["shadow"].newest})
    headers = {"Vary": VARY, "Cache-Control": "no-store"}
    return Response(figures.model_dump_json(), headers=headers, media_type="application/json")

"""Routes with two representations: an HTML page for browsers, JSON for other clients."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from service.api.common.content_negotiation import preferred
from service.state import state_of
from service.web.assets import REVALIDATE, SECURITY_HEADERS, answer

VARY = "Accept, Accept-Encoding"
"""The header Vary of both representations."""
PAGE_CONTENT: dict[str, Any] = {"schema": {"type": "string"}, "example": "<!doctype html> ..."}
"""OpenAPI description of the page."""
_FORMS = {"application/json": "json", "text/html": "html"}


class PageOrData(APIRoute):
    """Route that returns an HTML page to browsers; the page then requests the data from the same URL.

    Attributes:
        page_path: path of the page.
    """

    page_path: ClassVar[str]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the page if the Accept header prefers HTML, otherwise the data."""
        data = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if preferred(request.headers, _FORMS) == "json":
                return await data(request)
            site = state_of(request)["site"]
            page = answer(site.pages[self.page_path], request.headers, caching=REVALIDATE, headers=SECURITY_HEADERS)
            page.headers["Vary"] = VARY
            return page

        return handle

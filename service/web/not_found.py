"""Page for unknown addresses, sent to browsers instead of the JSON problem of the API."""

from __future__ import annotations

import inspect

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.web.assets import SECURITY_HEADERS


def install_not_found_page(app: FastAPI) -> None:
    """Let the handler of routing errors, which must be installed, respond to browsers with a page.

    A browser that opens an address accepts HTML; curl, clients and the scripts of the pages do not ask for it.
    """
    handle = app.exception_handlers[HTTPException]

    async def handler(request: Request, error: Exception) -> Response:
        answer = handle(request, error)
        response: Response = await answer if inspect.isawaitable(answer) else answer
        if response.status_code != 404 or "text/html" not in request.headers.get("accept", ""):
            return response
        page = request.state.site.not_found
        return Response(page.body, status_code=404, headers=SECURITY_HEADERS, media_type=page.media_type)

    app.add_exception_handler(HTTPException, handler)

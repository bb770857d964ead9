"""The short way to routes whose paths have parameters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.app import create_app
from service.http.fast_routes import FastPathApp, FastRoute
from tests.support.service import settings_for


class NoQuery(BaseModel):
    """Nothing is asked for."""


async def named(request: Request, query: Annotated[NoQuery, Query()]) -> Response:
    return JSONResponse({"path": request.path_params, "hot": request.scope.get("hot", False)})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app with two hot routes, whose short way marks what goes along it."""
    router = APIRouter(route_class=FastRoute)
    router.add_api_route("/things/{thing}/ask", named, methods=["POST"], name="one")
    router.add_api_route("/things/{thing}/parts/{part}/ask", named, methods=["POST"], name="two")
    app = FastPathApp(redirect_slashes=False)
    app.include_router(router)

    def marked(inner: ASGIApp) -> ASGIApp:
        async def mark(scope: Scope, receive: Receive, send: Send) -> None:
            await inner({**scope, "hot": True}, receive, send)

        return mark

    app.register([router], marked)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://duet") as connected:
        yield connected


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/things/a/ask", {"thing": "a"}),
        ("/things/a%20b/ask?x=1", {"thing": "a b"}),
        ("/things/%7Bthing%7D/ask", {"thing": "{thing}"}),
        ("/things/a/parts/7/ask", {"thing": "a", "part": "7"}),
    ],
)
async def test_they_go_the_short_way_with_their_parameters(
    client: httpx.AsyncClient, path: str, parameters: dict[str, str]
) -> None:
    assert (await client.post(path)).json() == {"path": parameters, "hot": True}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/things//ask", 404),
        ("POST", "/things/a/b/ask", 404),
        ("POST", "/things/a/ask/", 404),
        ("POST", "/more/things/a/ask", 404),
        ("GET", "/things/a/ask", 405),
    ],
)
async def test_what_fits_no_template_goes_the_long_way(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    assert (await client.request(method, path)).status_code == status


def test_inference_goes_the_short_way(tmp_path: Path) -> None:
    app = create_app(settings_for(tmp_path))
    assert isinstance(app, FastPathApp)
    assert [route.path for route in app._hot_templates] == [
        "/v2/models/{model}/infer",
        "/v2/models/{model}/versions/{version}/infer",
    ]

"""Headers of every response, HEAD on every GET route, and access for pages of other origins."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from service.app import ROUTERS
from tests.support.onnx_models import gray_png
from tests.support.service import RunningApp, listening_app, running_app, settings_for
from tests.support.wire import Peer

IMAGE = gray_png(0)
PAGE = "https://pages.example"
GET_PATHS = sorted(
    route.path
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and "GET" in (route.methods or ()) and "{" not in route.path
)


async def answers(client: httpx.AsyncClient) -> list[httpx.Response]:
    """Return one answer of each way through the service."""
    return [
        await client.post("/predict", content=IMAGE, headers={"content-type": "image/png"}),
        await client.post("/predict?top_k=0", content=IMAGE, headers={"content-type": "image/png"}),
        await client.post("/saliency", content=IMAGE, headers={"content-type": "image/png"}),
        await client.get("/models"),
        await client.get("/none"),
        await client.put("/models"),
        await client.get("/metrics"),
        await client.get("/openapi.json"),
        await client.get("/v2/models/none"),
        await client.get("/"),
        await client.get("/models", headers={"host": "evil.example"}),
    ]


@pytest.mark.asyncio(loop_scope="module")
async def test_responses_have_nosniff_and_cache_headers(shared: RunningApp) -> None:
    for answer in await answers(shared.client):
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"], answer.request.url
        assert len(answer.headers.get_list("cache-control")) == 1, answer.request.url
    assert (await shared.client.get("/models")).headers["cache-control"] == "no-store"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", GET_PATHS)
async def test_head_has_the_head_of_get(shared: RunningApp, path: str) -> None:
    got, head = await shared.client.get(path), await shared.client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    if path not in ("/metrics", "/readyz"):  # they differ from one request to the next
        assert head.headers.get("content-length") == got.headers.get("content-length")


@pytest.mark.asyncio(loop_scope="module")
async def test_head_of_a_post_route_is_405(shared: RunningApp) -> None:
    answer = await shared.client.head("/predict")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")
    assert (await shared.client.post("/models")).headers["allow"] == "GET, HEAD"


async def test_head_response_has_no_body_on_the_wire(home: Path) -> None:
    async with listening_app(settings_for(home)) as app, await Peer.connect(app.address) as peer:
        await peer.send(b"HEAD /models HTTP/1.1\r\nHost: duet\r\n\r\n")
        await peer.send(b"GET /livez HTTP/1.1\r\nHost: duet\r\nConnection: close\r\n\r\n")
        first, second, body = (await asyncio.wait_for(peer.rest(), 10)).split(b"\r\n\r\n")
        assert first.startswith(b"HTTP/1.1 200 ")
        assert second.startswith(b"HTTP/1.1 200 ")
        assert body


async def test_pages_of_configured_origins_may_call(home: Path) -> None:
    async with running_app(settings_for(home, cors_origins=f"{PAGE},http://localhost:3000")) as app:
        preflight = await app.client.options(
            "/predict", headers={"origin": PAGE, "access-control-request-method": "POST"}
        )
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == PAGE
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert "X-API-Key" in preflight.headers["access-control-allow-headers"]
        for request in (await answers(app.client))[:-1]:
            answer = await app.client.request(
                request.request.method, request.url, content=request.request.content, headers={"origin": PAGE}
            )
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in answer.headers
            assert "Origin" in answer.headers["vary"]
        foreign = await app.client.get("/models", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers
        assert foreign.headers["vary"] == "Origin"


@pytest.mark.asyncio(loop_scope="module")
async def test_cors_is_off_by_default(shared: RunningApp) -> None:
    headers = {"origin": PAGE, "access-control-request-method": "POST"}
    assert (await shared.client.options("/predict", headers=headers)).status_code == 405
    assert "access-control-allow-origin" not in (await shared.client.get("/models", headers=headers)).headers


@pytest.mark.parametrize("wrong", ["pages.example", "https://pages.example/", "ftp://pages.example", "null"])
def test_cors_setting_takes_origins_only(home: Path, wrong: str) -> None:
    with pytest.raises(ValueError, match="not an origin"):
        settings_for(home, cors_origins=wrong)
    assert settings_for(home, cors_origins="*").cors_origins == ("*",)

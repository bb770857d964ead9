"""Fast routes: accepted endpoints, and the same responses as through FastAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import RepositoryError, UnknownFamilyError
from service.app import create_app
from service.http.callers import CallerAdmission
from service.http.fast_routes import FastPathApp, FastRoute
from service.http.problem_handlers import install_problem_handlers
from service.security.authenticator import Authenticator
from service.security.caller_limits import CallerLimits
from service.security.key_source import KeySource
from service.security.keys import NO_LIMITS
from service.settings import Settings
from tests.support.onnx_models import gray_png
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, settings_for


class AskQuery(BaseModel):
    """Query of the test routes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "nobody"
    times: int = Field(1, ge=1)


class Counted:
    """Fake metrics that record the slugs of all problems."""

    def __init__(self) -> None:
        self.slugs: list[str] = []

    def observe_problem(self, slug: str, model: str, version: str) -> None:
        self.slugs.append(slug)


class Context:
    """Fake request context."""

    id = "an-id"


def router_of(endpoint: Callable[..., Any], **options: Any) -> APIRouter:
    router = APIRouter(route_class=FastRoute)
    router.add_api_route("/ask", endpoint, methods=["POST"], **options)
    return router


async def ask(request: Request, query: Annotated[AskQuery, Query()]) -> Response:
    return JSONResponse({"name": query.name, "times": query.times, "body": (await request.body()).decode()})


async def without_query(request: Request) -> Response:
    return Response()


async def with_a_header(request: Request, query: AskQuery, token: str) -> Response:
    return Response()


async def with_an_untyped_parameter(request: Request, query: AskQuery, other) -> Response:  # type: ignore[no-untyped-def]
    return Response()


async def with_a_plain_query(request: Request, query: str) -> Response:
    return Response()


async def with_an_optional_query(request: Request, query: AskQuery | None) -> Response:
    return Response()


async def the_other_way_round(query: AskQuery, request: Request) -> Response:
    return Response()


def blocking(request: Request, query: AskQuery) -> Response:
    return Response()


@pytest.mark.parametrize(
    "endpoint",
    [
        without_query,
        with_a_header,
        with_an_untyped_parameter,
        with_a_plain_query,
        with_an_optional_query,
        the_other_way_round,
        blocking,
    ],
)
def test_endpoint_with_another_signature_is_rejected(endpoint: Callable[..., Awaitable[Response]]) -> None:
    with pytest.raises(TypeError, match="/ask: the endpoint of a fast route"):
        FastRoute("/ask", endpoint, methods=["POST"], response_model=None)


def test_dependencies_are_rejected() -> None:
    async def must_be_known() -> None:
        raise AssertionError("never asked")

    with pytest.raises(TypeError, match="have no dependencies"):
        FastRoute("/ask", ask, methods=["POST"], dependencies=[Depends(must_be_known)])


def any_caller() -> CallerAdmission:
    """Admission of every caller, without keys and limits."""
    source = KeySource(SecretStr("admin:0123456789abcdef"), Path("no-home"))
    return CallerAdmission(Authenticator(source), CallerLimits(NO_LIMITS), anonymous=True)


def client_of(app: ASGIApp, counted: Counted) -> httpx.AsyncClient:
    callers = any_caller()

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        state = {"metrics": counted, "context": Context(), "settings": Settings(), "callers": callers}
        await app({**scope, "state": state}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url="http://duet")


async def test_fast_and_normal_dispatch_give_the_same_responses() -> None:
    """The same app with and without registered fast routes."""
    answers: list[list[tuple[int, bytes]]] = []
    for is_short in (True, False):
        app, router, passed = FastPathApp(redirect_slashes=False), router_of(ask), list[str]()

        def around(inner: ASGIApp, passed: list[str] = passed) -> ASGIApp:
            async def passes(scope: Scope, receive: Receive, send: Send) -> None:
                passed.append(scope["path"])
                await inner(scope, receive, send)

            return passes

        app.include_router(router)
        app.add_middleware(around)
        install_problem_handlers(app, [router])
        if is_short:
            app.register([router])
        counted, got = Counted(), list[tuple[int, bytes]]()
        async with client_of(app, counted) as client:
            for path in ("/ask", "/ask?name=ann&times=2", "/ask?times=0", "/ask?nmae=x", "/ask?name=%C3%A9+b"):
                answer = await client.post(path, content=b"body")
                got.append((answer.status_code, answer.content))
            wrong_method, nowhere = await client.get("/ask"), await client.post("/ask/")
        answers.append([*got, (wrong_method.status_code, b""), (nowhere.status_code, b"")])
        assert passed == [*["/ask"] * 6, "/ask/"]
        assert counted.slugs == ["invalid-parameters"] * 2 + ["method-not-allowed", "not-found"]
    assert answers[0] == answers[1]
    assert [status for status, _ in answers[0]] == [200, 200, 422, 422, 200, 405, 404]
    assert answers[0][4][1] == JSONResponse({"name": "\u00e9 b", "times": 1, "body": "body"}).body


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [(UnknownFamilyError("vit", ["cnn"]), 404, "unknown-model"), (RepositoryError("unreadable"), 503, "not-ready")],
)
async def test_errors_of_the_endpoint_become_problems(error: Exception, status: int, slug: str) -> None:
    async def fails(request: Request, query: AskQuery) -> Response:
        raise error

    app, router = FastPathApp(), router_of(fails, response_model=None)
    app.include_router(router)
    app.register([router])
    counted = Counted()
    async with client_of(app, counted) as client:
        answer = await client.post("/ask")
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:duet:problem:{slug}")
    assert counted.slugs == [slug]


async def test_query_is_parsed_once_unless_it_is_invalid() -> None:
    parsed: list[str] = []

    class Noted(AskQuery):
        """Query that records its creation."""

        def model_post_init(self, _: Any) -> None:
            parsed.append(self.name)

    seen: list[Noted] = []

    async def endpoint(request, query):  # type: ignore[no-untyped-def]
        seen.append(query)
        return Response()

    endpoint.__annotations__.update(request=Request, query=Noted)
    app, router = FastPathApp(), router_of(endpoint, response_model=None)
    app.include_router(router)
    app.register([router])
    counted = Counted()
    async with client_of(app, counted) as client:
        for path in ("/ask?name=ann", "/ask?name=ann", "/ask?name=bob", "/ask?name=ann&times=0", "/ask?name=ann"):
            await client.post(path)
        for _ in range(2):
            assert (await client.post("/ask?times=none")).status_code == 422
        # The cache stays bounded.
        for number in range(600):
            await client.post(f"/ask?name=n{number}")
    assert parsed[:2] == ["ann", "bob"]
    assert [query.name for query in seen] == ["ann", "ann", "bob", "ann", *(f"n{number}" for number in range(600))]
    assert counted.slugs == ["invalid-parameters"] * 3
    [route] = router.routes
    assert isinstance(route, FastRoute)
    assert 0 < route.parse_query.cached.cache_info().currsize <= 256
    route.parse_query.cached.cache_clear()
    route.parse_query(b"name=ann" + b"&" * 500)
    assert route.parse_query.cached.cache_info().currsize == 0


async def named(request: Request, query: Annotated[AskQuery, Query()]) -> Response:
    return JSONResponse({"path": request.path_params, "hot": request.scope.get("hot", False)})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Client of an app with two fast routes whose middleware marks requests."""
    router = APIRouter(route_class=FastRoute)
    router.add_api_route("/things/{thing}/ask", named, methods=["POST"], name="one")
    router.add_api_route("/things/{thing}/parts/{part}/ask", named, methods=["POST"], name="two")
    app = FastPathApp(redirect_slashes=False)
    app.include_router(router)

    def marked(inner: ASGIApp) -> ASGIApp:
        async def mark(scope: Scope, receive: Receive, send: Send) -> None:
            await inner({**scope, "hot": True}, receive, send)

        return mark

    app.add_middleware(marked)
    app.register([router])
    async with client_of(app, Counted()) as connected:
        yield connected


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/things/a/ask", {"thing": "a"}),
        ("/things/a%20b/ask?name=x", {"thing": "a b"}),
        ("/things/%7Bthing%7D/ask", {"thing": "{thing}"}),
        ("/things/a/parts/7/ask", {"thing": "a", "part": "7"}),
    ],
)
async def test_templates_are_matched_with_their_parameters(
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
async def test_other_paths_are_left_to_fastapi(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    assert (await client.request(method, path)).status_code == status


def test_routes_of_images_are_fast(home: Path) -> None:
    app = create_app(settings_for(home))
    assert isinstance(app, FastPathApp)
    assert [route.path for route in app.fast_routes] == [
        "/predict",
        "/compare",
        "/view",
        "/saliency",
        "/v2/models/{model}/infer",
        "/v2/models/{model}/versions/{version}/infer",
    ]


@pytest.mark.parametrize("path", ["/predict", "/compare", "/saliency", "/livez"])
async def test_added_middleware_sees_every_route(home: Path, path: str) -> None:
    app, seen = create_app(settings_for(home)), list[str]()

    async def note(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        seen.append(request.url.path)
        response = await call_next(request)
        response.headers["x-added"] = "yes"
        return response

    app.add_middleware(BaseHTTPMiddleware, dispatch=note)
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url="http://duet") as client:
            answer = await client.request("GET" if path == "/livez" else "POST", path)
    assert seen == [path]
    assert answer.headers["x-added"] == "yes"
    assert "x-request-id" in answer.headers


def test_requests_are_not_rejected_before_added_middleware(home: Path) -> None:
    app = create_app(settings_for(home))
    assert isinstance(app, FastPathApp)
    route = app.early_route("/predict")
    assert route is not None
    assert route.path == "/predict"
    app.add_middleware(BaseHTTPMiddleware, dispatch=None)
    assert app.early_route("/predict") is None


async def test_fast_responses_have_ids_metrics_and_access_lines(
    running: RunningApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="duet.access")
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = {"content-type": "image/png", "x-request-id": "hot-1", "traceparent": trace}
    for path in ("/predict", "/compare"):
        answer = await running.client.post(path, content=gray_png(0), headers=headers)
        assert (answer.headers["x-request-id"], answer.headers["traceparent"]) == ("hot-1", trace)
        refused = await running.client.post(path, content=b"", headers=headers)
        assert assert_problem(refused, 422, "no-image")["request_id"] == "hot-1"
    assert caplog.messages == ["POST /predict 200", "POST /predict 422", "POST /compare 200", "POST /compare 422"]
    scraped = (await running.client.get("/metrics")).text
    for route in ("/predict", "/compare"):
        for status in (200, 422):
            assert f'duet_http_requests_total{{method="POST",route="{route}",status="{status}"}} 1.0' in scraped
    for model, version in (("cnn", "1"), ("", "")):  # a comparison is not of one model
        assert f'duet_requests_rejected_total{{model="{model}",reason="no-image",version="{version}"}} 1.0' in scraped

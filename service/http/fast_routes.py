"""Fast routes: predictions and explanations, which skip FastAPI's routing and dependency resolution.

A fast route is declared and documented like any other route. A request for it passes the middleware of the app, is
matched by one dictionary look-up and passed to the endpoint. On one core this takes about 50 microseconds instead of
300.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from inspect import iscoroutinefunction, signature
from typing import Any, Generic, TypeVar, get_type_hints
from urllib.parse import parse_qsl

import orjson
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import RepositoryError
from service.errors import InvalidParametersError, ProblemError
from service.http.problem_handlers import invalid_parameters, problem_for

Query = TypeVar("Query", bound=BaseModel)

_CACHED_QUERIES = 256
_MAX_CACHED_LENGTH = 256


class FastRoute(APIRoute):
    """A route with an endpoint `async (request, query) -> Response`; `query` is a pydantic model of the query string.

    Its callers need the scope `predict`, unless predictions need no key, and their limits apply.

    Raises:
        TypeError: the endpoint has another signature or dependencies, which only FastAPI can resolve.
    """

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[Response]], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        model = get_type_hints(endpoint).get("query")
        parameters = list(signature(endpoint).parameters)
        if parameters != ["request", "query"] or not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"{path}: the endpoint of a fast route takes a request and a query model, not {parameters}")
        if not iscoroutinefunction(endpoint) or self.dependencies:
            raise TypeError(f"{path}: the endpoint of a fast route must be async and have no dependencies")
        self.parse_query = QueryParser(model)
        self.app: ASGIApp = self.respond

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint and send its response; problems become responses, other errors are raised."""
        state = scope["state"]
        try:
            # The HTTP protocol has already admitted most callers.
            caller = state.get("caller") or await state["callers"].admit(scope)
            state["caller"] = caller
            with state["callers"].running(caller):
                query = scope.get("query") or self.parse_query(scope["query_string"])
                response = await self.endpoint(Request(scope, receive, send), query)
        except (ProblemError, RepositoryError) as error:
            response = problem_for(error, scope)
        await response(scope, receive, send)


class FastDispatch:
    """Innermost middleware: passes requests for fast routes to them and all others to FastAPI's router."""

    def __init__(self, app: ASGIApp, *, routes: Iterable[FastRoute]) -> None:
        self._app = app
        self._templates = [route for route in routes if route.param_convertors]
        exact = [route for route in routes if not route.param_convertors]
        self._exact = {(method, route.path): route for route in exact for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch one ASGI connection. The HTTP protocol has already set `route` of requests that it admitted."""
        if scope["type"] == "http":
            route: FastRoute | None = (
                scope.get("route") or self._exact.get((scope["method"], scope["path"])) or self._match_template(scope)
            )
            if route is not None:
                scope["route"] = route
                await route.respond(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _match_template(self, scope: Scope) -> FastRoute | None:
        """The route whose path template matches; the path parameters are added to the scope as strings."""
        for route in self._templates:
            found = route.path_regex.match(scope["path"])
            if found and scope["method"] in (route.methods or ()):
                scope["path_params"] = found.groupdict()
                return route
        return None


class FastPathApp(FastAPI):
    """FastAPI application with fast routes. Middleware of the app sees requests for them like all others.

    Args:
        prefix: path of a proxy, which is removed from the path of requests that begin with it.

    Attributes:
        fast_routes: the registered fast routes.
    """

    def __init__(self, *, prefix: str = "", **options: Any) -> None:
        super().__init__(**options)
        self._prefix = prefix
        self.fast_routes: tuple[FastRoute, ...] = ()
        self._own_middleware = 0

    def register(self, routers: Iterable[APIRouter]) -> None:
        """Register the fast routes of these routers, which must also be included in the app.

        Call it after the app has added its own middleware, and once.
        """
        self.fast_routes = tuple(route for router in routers for route in router.routes if isinstance(route, FastRoute))
        self.user_middleware.append(Middleware(FastDispatch, routes=self.fast_routes))
        self._own_middleware = len(self.user_middleware)

    def early_route(self, path: str) -> FastRoute | None:
        """The fast route of a path for a server that answers some of its requests itself.

        None if middleware was added after `register`: it must see every request.
        """
        if len(self.user_middleware) > self._own_middleware:
            return None
        return next((route for route in self.fast_routes if route.path == path), None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if self._prefix and scope["type"] == "http" and (scope["path"] + "/").startswith(self._prefix + "/"):
            scope = {**scope, "path": scope["path"].removeprefix(self._prefix) or "/"}
        if "route" in scope:  # FastAPI looks for settings of its telemetry in the environment, for every request
            await Starlette.__call__(self, scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class QueryParser(Generic[Query]):
    """Parser from query string to model, with a cache for short query strings."""

    def __init__(self, model: type[Query]) -> None:
        self._model = model
        self.cached = lru_cache(_CACHED_QUERIES)(self._parse)

    def __call__(self, query_string: bytes) -> Query:
        """Parse a query string.

        Raises:
            InvalidParametersError: the query string does not validate.
        """
        # Long query strings rarely repeat and would fill the memory.
        return self.cached(query_string) if len(query_string) <= _MAX_CACHED_LENGTH else self._parse(query_string)

    def _parse(self, query_string: bytes) -> Query:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            repeated = {name for name in names if names.count(name) > 1}
            raise InvalidParametersError([(name, "give it once") for name in sorted(repeated)])
        try:
            return self._model.model_validate(values)
        except ValidationError as error:
            raise invalid_parameters(error.errors()) from error


class FastJsonResponse(Response):
    """JSON response with the two required headers; faster than Starlette's constructor."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.status_code = 200
        self.body = orjson.dumps(content)
        self.background = None
        self.raw_headers = [(b"content-length", b"%d" % len(self.body)), (b"content-type", b"application/json")]

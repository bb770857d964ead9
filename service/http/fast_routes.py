"""Routes that are called so often that the framework's share of their time matters.

A hot route is declared and documented like any other, but when a request comes it is found by one look-up and its
endpoint called directly: no middleware stack, no trying of route after route, no dependency resolution. On one core
that is the difference between about 50 and about 300 microseconds of each request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from inspect import iscoroutinefunction, signature
from typing import Any, Generic, TypeVar, get_type_hints
from urllib.parse import parse_qsl

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import RepositoryError
from service.errors import InvalidParametersError, ProblemError
from service.http.problem_handlers import answer_to, invalid_parameters

Query = TypeVar("Query", bound=BaseModel)

_REMEMBERED_QUERIES = 256
_MAX_REMEMBERED_LENGTH = 256


class FastRoute(APIRoute):
    """A route whose endpoint is `async (request, query) -> Response`; `query` is a pydantic model of the query string.

    Anything else, such as a dependency, would need FastAPI to resolve it, and is refused when the route is declared.
    """

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[Response]], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        model = get_type_hints(endpoint).get("query")
        parameters = list(signature(endpoint).parameters)
        if parameters != ["request", "query"] or not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"{path}: a hot route's endpoint takes a request and a query model, not {parameters}")
        if not iscoroutinefunction(endpoint) or self.dependencies:
            raise TypeError(f"{path}: a hot route's endpoint is async and has no dependencies")
        self._parse = QueryParser(model)
        self.app: ASGIApp = self.respond

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; problems become answers, anything else is the caller's."""
        try:
            query = self._parse(scope["query_string"])
            response = await self.endpoint(Request(scope, receive, send), query)
        except (ProblemError, RepositoryError) as error:
            response = answer_to(error, scope)
        await response(scope, receive, send)


class FastPathApp(FastAPI):
    """FastAPI with a short way to its hot routes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._hot: dict[tuple[str, str], FastRoute] = {}
        self._hot_templates: list[FastRoute] = []
        self._hot_app: ASGIApp = _to_route

    def register(self, routers: Iterable[APIRouter], around: Callable[[ASGIApp], ASGIApp]) -> None:
        """Take the short way to the hot routes of these routers, which are included as well.

        Args:
            routers: may hold other routes too.
            around: what every request passes through, hot or not; middleware of the app is not on the short way.
        """
        routes = [route for router in routers for route in router.routes if isinstance(route, FastRoute)]
        self._hot_templates = [route for route in routes if route.param_convertors]
        exact = [route for route in routes if not route.param_convertors]
        self._hot = {(method, route.path): route for route in exact for method in route.methods or ()}
        self._hot_app = around(_to_route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            route = self._hot.get((scope["method"], scope["path"])) or self._by_template(scope)
            if route is not None:
                scope["route"] = route
                await self._hot_app(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def _by_template(self, scope: Scope) -> FastRoute | None:
        """The route whose path has parameters that this path fills in; they go into the scope, as strings."""
        for route in self._hot_templates:
            found = route.path_regex.match(scope["path"])
            if found and scope["method"] in (route.methods or ()):
                scope["path_params"] = found.groupdict()
                return route
        return None


async def _to_route(scope: Scope, receive: Receive, send: Send) -> None:
    route: FastRoute = scope["route"]
    await route.respond(scope, receive, send)


class QueryParser(Generic[Query]):
    """Query string -> model; the short ones, which clients repeat, are parsed once.

    Raises:
        InvalidParametersError: when called, where the query does not validate.
    """

    def __init__(self, model: type[Query]) -> None:
        self._model = model
        self.remembered = lru_cache(_REMEMBERED_QUERIES)(self._parse)

    def __call__(self, query_string: bytes) -> Query:
        """The query, parsed now or before."""
        # Long ones are not repeated, and would fill the memory.
        return (
            self.remembered(query_string) if len(query_string) <= _MAX_REMEMBERED_LENGTH else self._parse(query_string)
        )

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

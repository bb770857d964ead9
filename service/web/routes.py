"""GET /, /ui/... and /docs: the pages and what they are made of."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from service.errors import RouteNotFoundError
from service.web.answers import ASK_FIRST, FOR_GOOD, REFERENCE_HEADERS, SECURITY_HEADERS, answer
from service.web.pages import ASSETS_PATH, PAGES, Site

router = APIRouter(include_in_schema=False)
_METHODS = ["GET", "HEAD"]


async def _site(request: Request) -> Site:
    site: Site = request.state.site
    return site


SiteDep = Annotated[Site, Depends(_site)]


# Not async: the first who asks for a large file has it compressed, and nobody shall wait for that.
@router.api_route(ASSETS_PATH + "/{digest}/{path:path}", methods=_METHODS)
def asset(digest: str, path: str, request: Request, site: SiteDep) -> Response:
    """One script, style sheet, font or picture.

    During an upgrade a page may come from one process and ask another, which has other files: it gets those, and is
    told not to keep them.
    """
    found = site.assets.files.get(path)
    if found is None:
        raise RouteNotFoundError(request.url.path)
    caching = FOR_GOOD if digest == site.assets.digest else ASK_FIRST
    return answer(found, request.headers, caching=caching, headers=SECURITY_HEADERS)


async def page(request: Request, site: SiteDep) -> Response:
    """One of the pages."""
    return answer(site.pages[request.url.path], request.headers, caching=ASK_FIRST, headers=SECURITY_HEADERS)


for each in PAGES:
    router.add_api_route(each.path, page, methods=_METHODS, name=f"page_{each.name}")


@router.api_route("/docs", methods=_METHODS)
async def reference(request: Request, site: SiteDep) -> Response:
    """The API's interactive description."""
    return answer(site.pages["/docs"], request.headers, caching=ASK_FIRST, headers=REFERENCE_HEADERS)

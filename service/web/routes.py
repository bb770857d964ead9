"""Routes of the pages: GET /, /ui/... and /docs, and their assets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from service.errors import RouteNotFoundError
from service.web.answers import IMMUTABLE, REFERENCE_HEADERS, REVALIDATE, SECURITY_HEADERS, answer
from service.web.pages import ASSETS_PATH, PAGES, Site

router = APIRouter(include_in_schema=False)
_METHODS = ["GET", "HEAD"]


async def _site(request: Request) -> Site:
    site: Site = request.state.site
    return site


SiteDep = Annotated[Site, Depends(_site)]


# Not async, because the first request of a large file compresses it.
@router.api_route(ASSETS_PATH + "/{digest}/{path:path}", methods=_METHODS)
def asset(digest: str, path: str, request: Request, site: SiteDep) -> Response:
    """A script, style sheet, font or image.

    During an upgrade a page of one process may request assets from another, with other files: these are not cached.
    """
    found = site.assets.files.get(path)
    if found is None:
        raise RouteNotFoundError(request.url.path)
    caching = IMMUTABLE if digest == site.assets.digest else REVALIDATE
    return answer(found, request.headers, caching=caching, headers=SECURITY_HEADERS)


async def page(request: Request, site: SiteDep) -> Response:
    """A page."""
    return answer(site.pages[request.url.path], request.headers, caching=REVALIDATE, headers=SECURITY_HEADERS)


for each in PAGES:
    router.add_api_route(each.path, page, methods=_METHODS, name=f"page_{each.name}")


@router.api_route("/docs", methods=_METHODS)
async def reference(request: Request, site: SiteDep) -> Response:
    """Interactive API reference."""
    return answer(site.pages["/docs"], request.headers, caching=REVALIDATE, headers=REFERENCE_HEADERS)

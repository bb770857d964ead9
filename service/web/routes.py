"""Routes of the pages: GET /, /ui/... and /docs, with their assets and the model cards as HTML."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from service.errors import RouteNotFoundError
from service.models.catalog import ModelCatalog
from service.models.version_files import read_card
from service.web.assets import IMMUTABLE, REFERENCE_HEADERS, REVALIDATE, SECURITY_HEADERS, Asset, answer
from service.web.card import card_html
from service.web.pages import ASSETS_PATH, HTML, PAGES, Site

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


@router.api_route("/ui/models/{model}/versions/{version}/card", methods=_METHODS)
def card(model: str, version: Annotated[int, Path(ge=1)], request: Request) -> Response:
    """The model card of a version as HTML, for the page of the version."""
    models = request.state.engine.models
    catalog = ModelCatalog(request.state.repository, models.refusal, models.providers)
    text = read_card(catalog.repository, catalog.manifest(model, version)).decode(errors="replace")
    path = f"{request.state.settings.root_path}/models/{quote(model)}/versions/{version}"
    found = Asset(card_html(text, path).encode(), HTML)
    return answer(found, request.headers, caching=REVALIDATE, headers=SECURITY_HEADERS)


@router.api_route("/docs", methods=_METHODS)
async def reference(request: Request, site: SiteDep) -> Response:
    """Interactive API reference."""
    return answer(site.pages["/docs"], request.headers, caching=REVALIDATE, headers=REFERENCE_HEADERS)

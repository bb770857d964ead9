"""The pages: names, paths and titles, rendered once from the shell and their templates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path, PurePosixPath
from posixpath import normpath
from string import Template

from service.web.assets import Asset, Assets, read_assets

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'^(?:import|export)\b[^"();=]*"(\.\.?/[^"]+)"', re.MULTILINE)
ASSETS_PATH = "/ui/assets"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        name: of its template, script and style sheet.
        path: URL path.
        title: in the navigation and the browser's tab.
        summary: one sentence for the meta description.
    """

    name: str
    path: str
    title: str
    summary: str


PAGES = (
    Page("playground", "/", "Playground", "Classify an image with each model and explain the predictions."),
    Page("comparison", "/ui/comparison", "Comparison", "Metrics of two versions on the same test images."),
    Page("jobs", "/ui/jobs", "Jobs", "Start and monitor trainings and evaluations."),
    Page("models", "/ui/models", "Models", "Versions, champions, promotions and evaluations."),
    Page("live", "/ui/live", "Live", "Accuracy, coverage, drift and alarms of live traffic."),
    Page("label", "/ui/label", "Label", "Label pictures of the captured traffic."),
)
"""Pages in the order of the navigation."""

_NOT_FOUND = Page("not_found", "", "Page not found", "There is no page at this address.")


@dataclass(frozen=True)
class Site:
    """All static content of the service.

    Attributes:
        assets: scripts, styles, fonts and images.
        pages: by path.
        not_found: page for unknown addresses.
    """

    assets: Assets
    pages: Mapping[str, Asset]
    not_found: Asset


@cache
def read_site(root: str = "") -> Site:
    """Read pages and assets of the installed package; `root` is DUET_ROOT_PATH."""
    assets = read_assets(_HERE / "static")
    shell, base = Template(_template("shell")), f"{root}{ASSETS_PATH}/{assets.digest}"
    pages = {page.path: _html(shell, assets, root, base, page) for page in PAGES}
    reference = Template(_template("reference")).substitute(assets=base, root=root)
    not_found = _html(shell, assets, root, base, _NOT_FOUND)
    return Site(assets, pages | {"/docs": Asset(reference.encode(), HTML)}, not_found)


def _html(shell: Template, assets: Assets, root: str, base: str, page: Page) -> Asset:
    text = shell.substitute(
        assets=base,
        root=root,
        name=page.name,
        title=escape(page.title),
        summary=escape(page.summary),
        preloads="\n".join(f'    <link rel="modulepreload" href="{base}/{name}">' for name in _scripts(assets, page)),
        navigation="\n".join(_link(each, root, current=each is page) for each in PAGES),
        main=_template(page.name).replace("$root", root),
    )
    return Asset(text.encode(), HTML)


def _scripts(assets: Assets, page: Page) -> list[str]:
    """All statically imported modules of the page, for preloading."""
    found: list[str] = []
    waiting = ["js/shell.js", f"js/{page.name}.js"]
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            imported = _IMPORT.findall(assets.files[name].body.decode())
            waiting += [normpath(PurePosixPath(name).parent / each) for each in imported]
    return found


def _link(page: Page, root: str, *, current: bool) -> str:
    mark = ' aria-current="page"' if current else ""
    return f'        <li><a href="{root}{page.path}"{mark}>{escape(page.title)}</a></li>'


def _template(name: str) -> str:
    return (_HERE / "templates" / f"{name}.html").read_text(encoding="utf-8")

"""What a first visit to each page costs: bytes on the wire, and time until the page can be used."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page

from service.web.pages import PAGES

CHARTS = "/vendor/uplot/"
# The playground marks when its controls work; those of the other pages do once their scripts have run.
_MARKED = frozenset({"playground"})
_USABLE = """(marked) => {
  const [mark] = performance.getEntriesByName("usable");
  const [loaded] = performance.getEntriesByType("navigation");
  return marked ? (mark?.startTime ?? 0) : loaded.loadEventEnd;
}"""
_SETTLE_MS = 300
_PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class Load:
    """One first visit.

    Attributes:
        page: its name.
        kilobytes: of pages and assets as they came over the wire, heads included, without the charts library.
        requests: how many those were.
        usable_ms: from the beginning of the navigation until what can be pressed does something.
    """

    page: str
    kilobytes: float
    requests: int
    usable_ms: float


def loads(browser: Browser, url: str, rounds: int) -> Iterator[Load]:
    """Visit every page with an empty cache."""
    for _ in range(rounds):
        for page in PAGES:
            context = browser.new_context()
            try:
                yield _visit(context.new_page(), url, page.path, page.name)
            finally:
                context.close()


def _visit(page: Page, url: str, path: str, name: str) -> Load:
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    addresses: dict[str, str] = {}
    sizes: dict[str, float] = {}

    def responded(event: dict[str, Any]) -> None:
        addresses[event["requestId"]] = event["response"]["url"]

    def finished(event: dict[str, Any]) -> None:
        sizes[event["requestId"]] = event["encodedDataLength"]

    devtools.on("Network.responseReceived", responded)
    devtools.on("Network.loadingFinished", finished)
    page.goto(f"{url}{path}")
    usable_ms = _when(page, name)
    counted = [sizes[each] for each, address in addresses.items() if each in sizes and _is_part(address, url, path)]
    return Load(name, sum(counted) / 1000, len(counted), usable_ms)


def _is_part(address: str, url: str, path: str) -> bool:
    """Whether it belongs to the page, rather than being data that the page shows, or the charts library."""
    return CHARTS not in address and (address == f"{url}{path}" or address.startswith(f"{url}/ui/assets/"))


def _when(page: Page, name: str) -> float:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        page.wait_for_timeout(_SETTLE_MS)
        usable = float(page.evaluate(_USABLE, name in _MARKED))
        if usable > 0:
            return usable
    raise RuntimeError(f"the page {name} could not be used within {_PATIENCE_SECONDS} s")

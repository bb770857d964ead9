"""Real Chromium for tests; console errors and requests to other hosts fail the test."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.support.service import ServiceProcess, service_process

ADMIN_KEY = "a" * 20
JOBS_KEY = "j" * 20
SHIPPED = Path(__file__).parents[2] / "models"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

Scheme = Literal["light", "dark"]
WIDE, NARROW = (1600, 1000), (360, 740)
PATIENCE_MS = 20_000
_AXE = Path(__file__).with_name("axe") / "axe.min.js"
_LOCAL_SCHEMES = frozenset({"data", "blob"})
_SHIFTS = """() => new Promise((resolve) => {
  let total = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) total += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(total), 50);
})"""

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH; Debian's package `chromium` will do")
"""With the marker `browser`: `pytestmark = [pytest.mark.browser, needs_chromium]`."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Return a headless browser that a test module shares."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served_site(home: Path, *, port: int = 0, **environment: str) -> Iterator[ServiceProcess]:
    """`duet serve` with the shipped models, a broker and a worker, and the keys above; stopped in good order."""
    given = {
        "DUET_SHIPPED_MODELS": str(SHIPPED),
        "DUET_EMBEDDED_BROKER": "1",
        "DUET_API_KEYS": f"jobs:{JOBS_KEY},admin:{ADMIN_KEY}",
        "DUET_POLL_SECONDS": "0.05",
        "DUET_DRAIN_NOTICE_SECONDS": "0",
    }
    with service_process(home, port, **(given | environment)) as service:
        yield service
        service.terminate()
        service.wait()


@dataclass
class Visit:
    """A page in a browser profile of its own, and what went wrong on it."""

    page: Page
    service: str
    problems: list[str] = field(default_factory=list)
    _expected: list[str] = field(default_factory=list)
    _tolerated: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Open a page and wait until it has loaded."""
        self.page.goto(f"{self.service}{path}")
        return self.page

    def expect(self, pattern: str) -> None:
        """Expect a console error, such as `status of 422`, that the test causes."""
        self._expected.append(pattern)

    def tolerate(self, pattern: str) -> None:
        """Tolerate a console error that depends on timing."""
        self._tolerated.append(pattern)

    def unexpected(self) -> list[str]:
        """Return unexpected errors and expected errors that did not occur."""
        missing = [each for each in self._expected if not any(re.search(each, problem) for problem in self.problems)]
        known = [*self._expected, *self._tolerated]
        surprising = [each for each in self.problems if not any(re.search(pattern, each) for pattern in known)]
        return [*surprising, *(f"expected, but did not happen: {each}" for each in missing)]

    def console(self, message: ConsoleMessage) -> None:
        """Listener of the page."""
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def request(self, request: Request) -> None:
        """Listener of the page."""
        parts = urlsplit(request.url)
        if parts.scheme not in _LOCAL_SCHEMES and not request.url.startswith(f"{self.service}/"):
            self.problems.append(f"request to another host: {request.url}")


@contextmanager
def visiting(
    browser: Browser,
    service: str,
    *,
    size: tuple[int, int] = (1280, 900),
    scheme: Scheme = "light",
    **context: Any,
) -> Iterator[Visit]:
    """A visit to the service at this address; its end fails where something unexpected was reported.

    Args:
        browser: of `chromium`.
        service: address without a slash at its end.
        size: of the window, in pixels.
        scheme: colors that the system prefers.
        context: further options of playwright's `new_context`.
    """
    opened = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        **({"reduced_motion": "reduce", "permissions": ["clipboard-read", "clipboard-write"]} | context),
    )
    try:
        page = opened.new_page()
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        visit = Visit(page, service.rstrip("/"))
        page.on("console", visit.console)
        page.on("pageerror", lambda error: visit.problems.append(f"page error: {error}"))
        page.on("request", visit.request)
        yield visit
        assert not visit.unexpected(), visit.unexpected()
    finally:
        opened.close()


def sign_in(page: Page, key: str = ADMIN_KEY) -> None:
    """Type the key into the field of the masthead."""
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("dialog").get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()


def open_signed_in(page: Page, url: str, path: str) -> Page:
    """Sign in with the key for jobs, then open a page that uses it from the start."""
    page.goto(f"{url}/ui/models")
    sign_in(page, JOBS_KEY)
    page.goto(url + path)
    return page


def assert_accessible(page: Page) -> None:
    """Raise AssertionError with the serious and critical axe-core violations of the current page."""
    page.evaluate(_AXE.read_text(encoding="utf-8") + "; null")
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    grave = [
        f"{violation['id']}: {violation['help']}: {[node['target'] for node in violation['nodes']]} "
        f"{violation['nodes'][0].get('failureSummary', '')}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert not grave, grave


def assert_fits(page: Page) -> None:
    """Raise AssertionError if the page is wider than the window."""
    wide = page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1], f"{wide[0]} pixels wide in a window of {wide[1]}"


def layout_shift(page: Page) -> float:
    """Return Chromium's cumulative layout shift (CLS); up to 0.1 counts as good."""
    shift: float = page.evaluate(_SHIFTS)
    return shift

"""Pages benchmark: first visits, drops of an image, and the live curve of a job, in Chromium against `duet serve`."""

from __future__ import annotations

import base64
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image
from playwright.sync_api import Browser, Page

from benchmarks.common import report as reports
from benchmarks.common.machine import describe_machine
from benchmarks.common.report import BenchmarkError, Figures, Goal, append, figure_tables
from duet import Client
from service.web.pages import PAGES
from tests.support.browser import CHROMIUM, chromium, served_site
from tests.support.training_site import training_site

GOALS = (
    Goal("*: weight, kB", "<=", 300.0),
    Goal("*: usable, ms", "<=", 1000.0),
    Goal("*: drop to both answers, less the models, ms", "<=", 150.0),
    Goal("event stored to point on the curve, ms", "<=", 300.0),
)
CHARTS = "/vendor/uplot/"
_TIMEOUT_SECONDS = 20.0
# The playground sets a mark when its controls work; those of other pages work when their scripts have run.
_USABLE = """(marked) => marked ? (performance.getEntriesByName("usable")[0]?.startTime ?? 0)
  : performance.getEntriesByType("navigation")[0].loadEventEnd"""
# The second frame after the answers are in the page is the first one that shows them.
_DROP = """async ([content, name, type]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const before = performance.getEntriesByName("answered").length;
  const frame = () => new Promise(requestAnimationFrame);
  const began = performance.now();
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  while (performance.getEntriesByName("answered").length === before) await frame();
  await frame();
  return performance.now() - began;
}"""
# The page draws a point and its table row at the same time; the next frame shows them.
_WATCH = """(text) => {
  window.seen = null;
  const look = () => [...document.querySelectorAll("td")].some((cell) => cell.textContent.includes(text));
  new MutationObserver((_, observer) => {
    if (!look()) return;
    observer.disconnect();
    requestAnimationFrame(() => { window.seen = Date.now(); });
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


def main(
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Visits of each page, drops of each image.")] = 5,
    curves: Annotated[bool, typer.Option("--curves/--no-curves", help="Also follow the live curve of a job.")] = True,
    markdown: reports.Markdown = None,
) -> None:
    """Measure the web pages of a real duet serve in a real Chromium."""
    if CHROMIUM is None:
        raise BenchmarkError("Chromium is not installed: run `apt-get install chromium`")
    head = f"{describe_machine()} Medians of {rounds} round(s)."
    figures: Figures = {}
    with chromium() as browser, tempfile.TemporaryDirectory(prefix="duet-pages-") as folder:
        with served_site(Path(folder) / "home", DUET_EMBEDDED_BROKER="0") as service:
            for found in (*visits(browser, service.url, rounds), *drops(browser, service.url, images(), rounds)):
                append(figures, found)
        if curves:
            delays_ms = list(curve_delays_ms(browser, Path(folder) / "trainings", 4 * rounds))
            figures["event stored to point on the curve, ms"] = delays_ms
    reports.report(head, figure_tables("Pages", figures, GOALS), figures, markdown=markdown)


def images() -> dict[str, tuple[bytes, str]]:
    """Return image files of several sizes, which compress like photographs, with their media types, by name."""
    colors = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8))
    found = {}
    for width, height, file_format in ((32, 32, "PNG"), (640, 480, "JPEG"), (4000, 3000, "JPEG")):
        stream = io.BytesIO()
        colors.resize((width, height)).save(stream, file_format)
        found[f"{width}x{height} {file_format}"] = stream.getvalue(), f"image/{file_format.lower()}"
    return found


def visits(browser: Browser, url: str, rounds: int) -> Iterator[dict[str, float]]:
    """Visit each page with an empty cache, and measure it.

    The weight is that of the page and its assets on the wire, including headers, without the charts library.
    """
    for _ in range(rounds):
        for page in PAGES:
            with _new_page(browser) as opened:
                yield {
                    f"{page.name}: {name}": value for name, value in _visit(opened, url, page.path, page.name).items()
                }


def drops(browser: Browser, url: str, files: dict[str, tuple[bytes, str]], rounds: int) -> Iterator[dict[str, float]]:
    """Drop each image on a page that has answered before, and measure the time to both answers."""
    with _new_page(browser) as page:
        page.goto(f"{url}/")
        page.locator("body[data-ready]").wait_for()
        for round_ in range(rounds + 1):
            for name, (content, media_type) in files.items():
                found = _drop(page, name, content, media_type)
                if round_ > 0:  # round 0 warms up
                    yield found


def curve_delays_ms(browser: Browser, folder: Path, points: int) -> Iterator[float]:
    """Follow a training that reports one epoch at a time; yield the time from each event to its point in ms."""
    with training_site(folder) as site, _new_page(browser) as page:
        job_id, pace = site.start()
        site.wait(job_id, "running")
        page.goto(f"{site.url}/ui/jobs?job={job_id}")
        page.wait_for_load_state("load")
        for number in range(1, points + 1):
            loss = 0.9 - number / 1000
            page.evaluate(_WATCH, f"{loss:.3f}")
            page.wait_for_timeout(250)
            pace.epoch(number, points, loss=loss, accuracy=0.5)
            seen_ms = _poll(page, lambda: page.evaluate("() => window.seen"), 5, f"epoch {number} on the curve")
            yield seen_ms - _stored_ms(site.url, job_id, number)
        pace.succeed()
        site.wait(job_id, "succeeded")


def _visit(page: Page, url: str, path: str, name: str) -> dict[str, float]:
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
    usable_ms = _poll(page, lambda: page.evaluate(_USABLE, name == "playground"), 300, f"usable controls on {name}")
    parts = [sizes[key] for key, address in addresses.items() if key in sizes and _is_part(address, url, path)]
    return {"requests": len(parts), "weight, kB": sum(parts) / 1000, "usable, ms": usable_ms}


def _is_part(address: str, url: str, path: str) -> bool:
    """Return whether an address is the page or an asset of it, not data or the charts library."""
    return CHARTS not in address and (address == f"{url}{path}" or address.startswith(f"{url}/ui/assets/"))


def _drop(page: Page, name: str, content: bytes, media_type: str) -> dict[str, float]:
    page.wait_for_load_state("networkidle")
    with page.expect_response("**/compare*") as answered:
        shown_ms = float(page.evaluate(_DROP, [base64.b64encode(content).decode(), name, media_type]))
    models_ms = float(answered.value.json()["timing_ms"]["inference"])
    return {
        f"{name}: drop to both answers, ms": shown_ms,
        f"{name}: time of the models, ms": models_ms,
        f"{name}: drop to both answers, less the models, ms": shown_ms - models_ms,
    }


def _stored_ms(url: str, job_id: str, epoch: int) -> float:
    """Return when the broker stored the event of an epoch, in ms since 1970."""
    with Client(url) as client:
        for stored in client.events(job_id):
            if stored.event.event == "epoch" and stored.event.epoch == epoch:
                return 1000 * stored.at.timestamp()
    raise BenchmarkError(f"the job sent no event for epoch {epoch}")


def _poll(page: Page, look: Callable[[], float | None], every_ms: int, what: str) -> float:
    """Call `look` until it returns a positive number. Raises BenchmarkError if it does not within _TIMEOUT_SECONDS."""
    end = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < end:
        page.wait_for_timeout(every_ms)
        if found := look():
            return float(found)
    raise BenchmarkError(f"no {what} within {_TIMEOUT_SECONDS:.0f} s")


@contextmanager
def _new_page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        yield context.new_page()
    finally:
        context.close()

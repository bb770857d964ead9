"""From an event that is stored to the point that it makes on a job's live curve."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import orjson
from playwright.sync_api import Browser, Page

from tests.support.training_site import training_site

# A point is drawn, and written into the table beside the curve, in one go; the frame after that shows it.
_WATCH = """(text) => {
  window.seen = null;
  const look = () => [...document.querySelectorAll("td")].some((cell) => cell.textContent.includes(text));
  new MutationObserver((_, observer) => {
    if (!look()) return;
    observer.disconnect();
    requestAnimationFrame(() => { window.seen = Date.now(); });
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


def curve_delays_ms(browser: Browser, folder: Path, points: int) -> Iterator[float]:
    """Follow a training that tells one epoch at a time, and see when each is on the page."""
    with training_site(folder) as site:
        job_id, pace = site.start()
        site.wait(job_id, "running")
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        try:
            page = context.new_page()
            page.goto(f"{site.url}/ui/jobs?job={job_id}")
            page.wait_for_load_state("load")
            for number in range(1, points + 1):
                loss = 0.9 - number / 1000
                page.evaluate(_WATCH, f"{loss:.3f}")
                page.wait_for_timeout(250)
                pace.epoch(number, points, loss=loss, accuracy=0.5)
                seen_ms = _seen_ms(page)
                yield seen_ms - _stored_ms(site.url, job_id, number)
            pace.succeed()
            site.wait(job_id, "succeeded")
        finally:
            context.close()


def _seen_ms(page: Page) -> float:
    for _ in range(2000):
        seen = page.evaluate("() => window.seen")
        if seen is not None:
            return float(seen)
        page.wait_for_timeout(5)
    raise RuntimeError("the curve did not follow an event within 10 s")


def _stored_ms(url: str, job_id: str, epoch: int) -> float:
    """When the service's side had the event, as it says itself."""
    with httpx.stream("GET", f"{url}/jobs/{job_id}/events", timeout=30) as events:
        for line in events.iter_lines():
            if line.startswith("data:"):
                event = orjson.loads(line.removeprefix("data:"))
                if event["event"] == "epoch" and event["epoch"] == epoch:
                    return datetime.fromisoformat(event["at"]).timestamp() * 1000
    raise RuntimeError(f"epoch {epoch} is not among the events")

"""The benchmark of the web pages, once around: what it reports is what was loaded. No figure is judged."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from benchmarks.pages.drops import drops, pictures
from benchmarks.pages.loads import loads
from service.web.pages import PAGES, read_site
from tests.support.browser import chromium, needs_chromium, served_site

_LATE_MS = 1500
_LATE_ANSWERS = f"""const real = window.fetch;
window.fetch = (...asked) => new Promise((done) => setTimeout(done, {_LATE_MS})).then(() => real(...asked));"""

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs_chromium]


def test_pages_are_weighed_and_drops_are_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"32x32 PNG": pictures()["32x32 PNG"]}
    with chromium() as browser, served_site(tmp_path, DUET_EMBEDDED_BROKER="0") as service:
        visits = list(loads(browser, service.url, 1))
        [drop] = drops(browser, service.url, files, 1)
        new_context = browser.new_context

        def slow_context() -> BrowserContext:
            context = new_context()
            context.add_init_script(_LATE_ANSWERS)
            return context

        monkeypatch.setattr(browser, "new_context", slow_context)
        slow = {visit.page: visit.usable_ms for visit in loads(browser, service.url, 1)}
    assert [visit.page for visit in visits] == [page.name for page in PAGES]
    site = read_site()
    font = site.assets.files["fonts/instrument-sans.woff2"].body
    everything = sum(len(each.gzipped or each.body) for each in site.assets.files.values())
    for visit in visits:
        assert len(font) / 1000 < visit.kilobytes < everything / 1000
        assert visit.requests > 10
        assert visit.usable_ms > 0
    assert 0 < drop.models_ms < drop.shown_ms
    assert slow["playground"] > _LATE_MS

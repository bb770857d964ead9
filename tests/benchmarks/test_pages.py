from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pages.bench import drops, images, visits
from service.web.pages import PAGES, read_site
from tests.support.browser import chromium, needs_chromium, served_site

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs_chromium]


def test_pages_are_weighed_and_drops_are_timed(tmp_path: Path) -> None:
    files = {"32x32 PNG": images()["32x32 PNG"]}
    with chromium() as browser, served_site(tmp_path, DUET_EMBEDDED_BROKER="0") as service:
        found = {name: value for visit in visits(browser, service.url, 1) for name, value in visit.items()}
        [drop] = drops(browser, service.url, files, 1)
    assets = read_site().assets.files
    font = len(assets["fonts/instrument-sans.woff2"].body)
    everything = sum(len(each.gzipped or each.body) for each in assets.values())
    for page in PAGES:
        assert font / 1000 < found[f"{page.name}: weight, kB"] < everything / 1000
        assert found[f"{page.name}: requests"] > 10
        assert found[f"{page.name}: usable, ms"] > 0
    assert 0 < drop["32x32 PNG: time of the models, ms"] < drop["32x32 PNG: drop to both answers, ms"]

"""Pages below the path of a proxy, in a browser: no request leaves that path."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from service.web.pages import PAGES
from tests.support.browser import SHIPPED, needs_chromium, visiting
from tests.support.service import service_process

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.slow]
ROOT = "/apps/duet"


def test_pages_stay_below_the_root_path(browser: Browser, tmp_path: Path) -> None:
    with (
        service_process(tmp_path, DUET_ROOT_PATH=ROOT, DUET_SHIPPED_MODELS=str(SHIPPED)) as service,
        visiting(browser, f"{service.url}{ROOT}") as visit,
    ):
        visit.expect("503")  # the service runs without a broker for jobs
        asked: list[str] = []
        page = visit.open("/")
        page.context.on("request", lambda request: asked.append(urlsplit(request.url).path))
        for each in PAGES:
            page.get_by_role("navigation", name="Pages").get_by_role("link", name=each.title).click()
            page.wait_for_load_state("networkidle")
            assert urlsplit(page.url).path == f"{ROOT}{each.path}"
        page.get_by_role("link", name="cnn@").first.click()
        page.get_by_role("heading", name="cnn@").first.wait_for()
        page.wait_for_load_state("networkidle")
        assert len(asked) > 20
        assert [path for path in asked if not path.startswith(f"{ROOT}/")] == []

"""Photograph the four pages into docs/images/pages: `python docs/screenshots.py`, from the root of the repository.

It needs `chromium` on PATH, the extras `dev` and `training`, and CIFAR-10 in DUET_DATA_DIR: the job in the picture is a
training that really runs, and the pictures show it half-way.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.jobs.records import FINAL_STATES
from tests.support.browser import ADMIN_KEY, Scheme, chromium, served_site, sign_in, visiting
from tests.support.training_site import submitted

FOLDER = Path(__file__).resolve().parent / "images" / "pages"
CAT = Path(__file__).resolve().parent / "images" / "cat.jpg"
SIZE = (1280, 860)
CURVES_SHARE = 0.745
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
EPOCHS, HALF_WAY = 30, 12
TRAINING = {"recipe": "mlp_baseline", "promote": "never", "overrides": {"epochs": EPOCHS}}


def main() -> None:
    """Start a service, fill it with something to see, and photograph every page in both themes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="duet-pages-") as name, chromium() as browser:
        environment = {"DUET_TRAINING_PYTHON": sys.executable, "DUET_DATA_DIR": os.environ["DUET_DATA_DIR"]}
        with served_site(Path(name), port=0, **environment) as service:
            job_id = submitted(service.url, TRAINING)
            _wait_for_epoch(service.url, job_id)
            for scheme in SCHEMES:
                _photograph(browser, service.url, job_id, scheme)
            httpx.post(f"{service.url}/jobs/{job_id}/cancel", headers={"x-api-key": ADMIN_KEY}).raise_for_status()


def _wait_for_epoch(url: str, job_id: str) -> None:
    while True:
        record = httpx.get(f"{url}/jobs/{job_id}").json()
        if record["state"] in FINAL_STATES:
            raise SystemExit(f"the training in the picture ended: {record['error']}")
        if ((record["progress"] or {}).get("epoch") or 0) >= HALF_WAY:
            return
        time.sleep(1)


def _photograph(browser: Browser, url: str, job_id: str, scheme: Scheme) -> None:
    with visiting(browser, url, size=SIZE, scheme=scheme, device_scale_factor=1.5) as visit:
        page = visit.open("/?method=integrated_gradients")
        page.locator("body[data-ready]").wait_for()
        page.locator("#pick").set_input_files(CAT)
        expect(page.get_by_role("img", name=re.compile("Integrated gradients of cnn"))).to_be_visible()
        _save(page, "playground", scheme)
        visit.open("/ui/comparison")
        page.locator(".reliability canvas").wait_for()
        _save(page, "comparison", scheme)
        visit.open(f"/ui/jobs?job={job_id}")
        sign_in(page, ADMIN_KEY)
        _save(page, "jobs", scheme)
        visit.open("/ui/models")
        _save(page, "models", scheme)


def _save(page: Page, name: str, scheme: Scheme) -> None:
    page.wait_for_timeout(1000)
    taken = page.screenshot(full_page=name == "playground")
    with Image.open(io.BytesIO(taken)) as image:
        # The log below the curves names the machine. Of 256 colors a picture has a third of the bytes.
        height = round(image.height * CURVES_SHARE) if name == "jobs" else image.height
        image.convert("RGB").crop((0, 0, image.width, height)).quantize(256).save(
            FOLDER / f"{name}-{scheme}.png", optimize=True
        )


if __name__ == "__main__":
    main()

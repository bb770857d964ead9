"""Photograph the four pages into docs/images/pages: `python docs/screenshots.py`, from the root of the repository.

It needs `chromium` on PATH and the extra `dev`. The jobs are played: a stand-in for the trainer tells what one would.
"""

from __future__ import annotations

import io
import math
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.browser import ADMIN_KEY, Scheme, chromium, served_site, sign_in, visiting
from tests.support.paced_trainings import Pace, PacedTrainings
from tests.support.training_site import submitted

FOLDER = Path(__file__).resolve().parent / "images" / "pages"
CAT = Path(__file__).resolve().parent / "images" / "cat.jpg"
SIZE = (1280, 860)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
EPOCHS, TOLD = 20, 13


def main() -> None:
    """Start a service, fill it with something to see, and photograph every page in both themes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="duet-pages-") as name, chromium() as browser:
        folder = Path(name)
        trainings = PacedTrainings(folder / "environment")
        home = folder / "home"
        home.mkdir()
        with served_site(home, port=0, **trainings.environment) as service:
            pace = trainings.next()
            body = {"recipe": "cnn_fast", "seed": pace.seed, "promote": "never", "overrides": {"epochs": EPOCHS}}
            job_id = submitted(service.url, body)
            _play(pace)
            for scheme in SCHEMES:
                _photograph(browser, service.url, job_id, scheme)
            pace.succeed()


def _play(pace: Pace) -> None:
    pace.tell("stage", name="fit")
    for epoch in range(1, TOLD + 1):
        done = epoch / EPOCHS
        loss = 0.32 + 1.5 * math.exp(-5 * done) + 0.02 * math.sin(7 * epoch)
        pace.epoch(epoch, EPOCHS, loss=loss, accuracy=0.93 - 0.5 * math.exp(-5 * done))
    pace.progress(1350, 2000, EPOCHS, loss=0.31, accuracy=0.93)


def _photograph(browser: Browser, url: str, job_id: str, scheme: Scheme) -> None:
    with visiting(browser, url, size=SIZE, scheme=scheme, device_scale_factor=1.5) as visit:
        page = visit.open("/?method=integrated_gradients")
        page.locator("body[data-ready]").wait_for()
        page.locator("#pick").set_input_files(CAT)
        expect(page.get_by_role("img", name=re.compile("Integrated gradients of cnn"))).to_be_visible()
        _save(page, "playground", scheme)
        visit.open("/ui/comparison")
        _save(page, "comparison", scheme)
        visit.open(f"/ui/jobs?job={job_id}")
        sign_in(page, ADMIN_KEY)
        _save(page, "jobs", scheme)
        visit.open("/ui/models")
        _save(page, "models", scheme)


def _save(page: Page, name: str, scheme: Scheme) -> None:
    page.wait_for_timeout(1000)
    taken = page.screenshot(full_page=name == "playground")
    with Image.open(io.BytesIO(taken)) as image:  # of 256 colours it has a third of the bytes
        image.convert("RGB").quantize(256).save(FOLDER / f"{name}-{scheme}.png", optimize=True)


if __name__ == "__main__":
    main()

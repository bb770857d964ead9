"""Steps of browser tests on the playground."""

from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from tests.support.browser import Visit
from tests.support.pictures import noise

CAT = Path(__file__).parents[2] / "docs" / "images" / "cat.jpg"


def opened(visit: Visit, query: str = "") -> Page:
    """Open the playground and wait until it can be used."""
    page = visit.open(f"/{query}")
    page.locator("body[data-ready]").wait_for()
    return page


def pick(page: Page, path: Path | FilePayload = CAT) -> None:
    """Choose a file."""
    page.locator("#pick").set_input_files(path)


def answered(page: Page, family: str, label: str | re.Pattern[str]) -> None:
    """Wait until the card of a family shows this class."""
    expect(page.get_by_role("article", name=family).locator(".said")).to_have_text(label)


def noise_file(name: str = "noise.png") -> FilePayload:
    """An image unlike the training data, as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(noise(32, 32)).save(stream, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": stream.getvalue()}

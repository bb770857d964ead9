"""Layout of the playground: both answers beside each other, and in view after an image is chosen."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import NARROW, assert_accessible, assert_fits, needs_chromium, visiting
from tests.support.playground import CAT, answered, opened, pick
from tests.support.service import ServiceProcess

pytestmark = [pytest.mark.browser, needs_chromium]


def top_and_bottom(page: Page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).first.bounding_box()
    assert box, selector
    return box["y"], box["y"] + box["height"]


@pytest.mark.parametrize(("size", "scheme"), [((768, 1024), "light"), ((1024, 768), "dark"), ((1600, 1000), "light")])
def test_predictions_are_side_by_side_in_view(
    browser: Browser, site: ServiceProcess, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    with visiting(browser, site.url, size=size, scheme=scheme) as visit:
        page = opened(visit, "?method=saliency")
        pick(page)
        answered(page, "cnn", "cat")
        expect(page.get_by_role("img", name="Saliency of cnn for cat")).to_be_visible()
        for cards in ("article", "figure"):
            first, second = (page.locator(f"{cards}.{family}").bounding_box() for family in ("mlp", "cnn"))
            assert first
            assert second
            assert first["y"] == second["y"]
            assert second["x"] >= first["x"] + first["width"]
        assert top_and_bottom(page, "#picture")[0] >= 0
        assert top_and_bottom(page, "article.cnn .bars")[1] <= size[1]
        assert_fits(page)


def test_prediction_is_in_view_on_a_phone(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url, size=NARROW) as visit:
        page = opened(visit)
        pick(page)
        answered(page, "cnn", "cat")
        expect(page.get_by_role("status")).to_contain_text("Both predict cat.")
        assert top_and_bottom(page, "#picture")[0] >= 0
        assert top_and_bottom(page, "#verdict")[1] <= NARROW[1]
        assert top_and_bottom(page, "article.mlp .headline")[1] <= NARROW[1]
        assert_fits(page)
        page.get_by_label("Crop", exact=True).check(force=True)
        expect(page.get_by_role("article", name="cnn")).to_contain_text("cropped to 300x300")
        box = page.locator("#crop").bounding_box()
        assert box
        assert box["width"] > 150


@pytest.mark.smoke
def test_examples_ship_and_are_classified(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit)
        expect(page.locator(".example")).to_have_count(20)
        page.get_by_role("button", name="Test image 3: bird").click()
        expect(page.locator("#picture-facts")).to_contain_text("test-image-2.png, 32 × 32 pixels")
        expect(page.get_by_role("status")).to_contain_text("True class: bird; ")
        expect(page.locator("#link-note")).to_have_text("The link opens this example with the same settings.")
        page.get_by_role("button", name="Copy link").click()
        again = opened(visit, page.evaluate("navigator.clipboard.readText()").removeprefix(f"{visit.service}/"))
        expect(again.get_by_role("status")).to_contain_text("True class: bird; ")
        assert_accessible(again)


def test_link_states_that_it_omits_uploaded_images(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit, "?method=occlusion")
        pick(page, CAT)
        answered(page, "cnn", "cat")
        expect(page.locator("#link-note")).to_contain_text("but not the image: images are not stored")
        page.get_by_role("button", name="Copy link").click()
        expect(page.locator(".toast")).to_contain_text(re.compile("Link copied.*not the image", re.DOTALL))
        assert "method=occlusion" in page.evaluate("navigator.clipboard.readText()")

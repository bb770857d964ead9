"""Labelling page: pictures, keys, skip, none of these, undo, and the estimates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from service.labels.files import LabelReader
from service.traffic.record import Answer, CapturedRequest
from tests.support.browser import (
    NARROW,
    Scheme,
    assert_accessible,
    assert_fits,
    needs_chromium,
    open_signed_in,
    served_site,
    visiting,
)
from tests.support.service import ServiceProcess
from tests.support.traffic import answer, captured, write_segment

pytestmark = [pytest.mark.browser, needs_chromium]
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def said(label: str, family: str = "cnn") -> Answer:
    probabilities = np.full(10, 0.02, np.float32)
    probabilities[CLASSES.index(label)] = 0.82
    return answer(family, 5, label, labels=CLASSES, probabilities_K=probabilities)


def record(number: int) -> CapturedRequest:
    """A picture on which two models disagree, so that it is chosen."""
    pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return captured(f"request-{number}", image=pixels, answers=(said("cat"), said("dog", "mlp")))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_segment(tmp_path, [record(number) for number in range(4)])
    return tmp_path


@pytest.fixture
def service(home: Path) -> Iterator[ServiceProcess]:
    with served_site(home, DUET_EMBEDDED_WORKER="0") as service:
        yield service


def opened(page: Page, service: ServiceProcess) -> Page:
    open_signed_in(page, service.url, "/ui/label")
    expect(page.get_by_role("img", name="Picture to label")).to_be_visible()
    return page


def stored(home: Path) -> list[tuple[str, str | None]]:
    return [(event.kind, event.label) for event in LabelReader(home).read_new()]


def source(page: Page) -> str:
    found = page.get_by_role("img", name="Picture to label").get_attribute("src")
    assert found is not None
    return found


def labelled(page: Page, number: int) -> None:
    """Wait until the page counts this number of labelled pictures and takes the next key."""
    expect(page.locator(".label-card [role=status]")).to_contain_text(f"{number} labelled")
    expect(page.locator(".label-card")).to_have_attribute("aria-busy", "false")


@pytest.mark.smoke
def test_pictures_are_labelled_by_keys(browser: Browser, service: ServiceProcess, home: Path) -> None:
    with visiting(browser, service.url) as visit:
        page = opened(visit.page, service)
        expect(page.get_by_text("No label yet.")).to_be_visible()
        first = source(page)
        page.keyboard.press("4")
        labelled(page, 1)
        assert source(page) != first
        expect(page.locator(".label-figures h3", has_text="cnn@5")).to_contain_text("cnn@5")
        page.keyboard.press("0")
        labelled(page, 2)
        page.keyboard.press("n")
        labelled(page, 3)
        last = source(page)
        page.keyboard.press("s")
        expect(page.get_by_text("Other people have the remaining pictures, or you skipped them.")).to_be_visible()
        assert stored(home) == [("label", "cat"), ("label", "truck"), ("label", None), ("skip", None)]
        page.keyboard.press("u")
        expect(page.get_by_role("img", name="Picture to label")).to_have_attribute("src", last)
        page.get_by_role("button", name="Undo").click()
        labelled(page, 2)
        page.get_by_role("button", name=re.compile("frog")).click()
        labelled(page, 3)
        assert stored(home)[4:] == [("undo", None), ("undo", None), ("label", "frog")]


def test_two_people_get_different_pictures(browser: Browser, service: ServiceProcess) -> None:
    seen = set()
    for _ in range(4):
        with visiting(browser, service.url) as visit:
            seen.add(source(opened(visit.page, service)))
    assert len(seen) == 4


def test_page_asks_for_a_key(browser: Browser, service: ServiceProcess) -> None:
    with visiting(browser, service.url) as visit:
        visit.expect("status of 401")
        page = visit.open("/ui/label")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Sign in with a key of scope jobs to label pictures.").wait_for()
        page.keyboard.press("4")  # nothing to label
        assert_accessible(page)


def test_lost_claim_shows_another_picture(browser: Browser, service: ServiceProcess, home: Path) -> None:
    with visiting(browser, service.url) as visit:
        visit.expect("status of 409")
        page = opened(visit.page, service)
        before = source(page)
        pattern = re.compile(r"/labelling/[0-9a-f]{32}$")
        page.route(pattern, lambda route: route.continue_(post_data='{"action":"none","claim":"expired"}'))
        page.keyboard.press("1")
        page.get_by_role("alert").get_by_text("claim of this picture has expired").wait_for()
        expect(page.get_by_role("img", name="Picture to label")).not_to_have_attribute("src", before)
        assert stored(home) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [NARROW, (1024, 768)])
def test_page_fits_and_is_accessible(
    browser: Browser, service: ServiceProcess, size: tuple[int, int], scheme: Scheme
) -> None:
    with visiting(browser, service.url, size=size, scheme=scheme) as visit:
        page = opened(visit.page, service)
        page.keyboard.press("4")
        labelled(page, 1)
        page.locator(".label-figures summary").click()
        assert_fits(page)
        assert_accessible(page)

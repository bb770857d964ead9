from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Browser

from service.web.pages import PAGES
from tests.support.browser import (
    NARROW,
    WIDE,
    assert_accessible,
    assert_fits,
    layout_shift,
    needs_chromium,
    sign_in,
    visiting,
)
from tests.support.service import ServiceProcess

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "scheme"), [(NARROW, "light"), (WIDE, "dark")], ids=["narrow light", "wide dark"])
def test_pages_are_accessible_fit_and_do_not_shift(
    browser: Browser, site: ServiceProcess, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    with visiting(browser, site.url, size=size, scheme=scheme) as visit:
        for page in PAGES:
            opened = visit.open(page.path)
            opened.wait_for_load_state("networkidle")
            assert opened.title() == f"{page.title} · Duet"
            assert opened.locator("nav [aria-current=page]").inner_text() == page.title
            assert_accessible(opened)
            assert_fits(opened)
            assert layout_shift(opened) < 0.02


@pytest.mark.smoke
def test_sign_in_and_out_with_a_key(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        visit.expect("status of 401")
        page = visit.open("/")
        page.get_by_role("button", name="Sign in").click()
        assert_accessible(page)
        page.get_by_label("Key", exact=True).fill("not the key")
        page.keyboard.press("Enter")
        page.get_by_role("alert").get_by_text("key").wait_for()
        page.get_by_label("Key", exact=True).fill("ключ")  # no header could carry it
        page.keyboard.press("Enter")
        page.get_by_role("alert").get_by_text("A key contains only visible ASCII").wait_for()
        page.get_by_role("button", name="Cancel").click()
        sign_in(page)
        [cookie] = page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        page.reload()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Sign in").wait_for()
        assert not page.context.cookies()


def test_sign_out_without_a_service_gives_an_error(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        visit.expect("ERR_FAILED")
        page = visit.open("/ui/models")
        sign_in(page)
        page.route("**/session", lambda route: route.abort())
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("alert").get_by_text("The service does not respond").wait_for()
        page.get_by_role("button", name="Sign out").wait_for()


def test_theme_follows_the_system_until_chosen(browser: Browser, site: ServiceProcess) -> None:
    dark = "getComputedStyle(document.documentElement).backgroundColor === 'rgb(21, 20, 19)'"
    with visiting(browser, site.url, scheme="dark") as visit:
        page = visit.open("/")
        assert page.evaluate(dark)
        page.get_by_role("button", name="Light theme").click()
        assert not page.evaluate(dark)
        page.reload()
        assert not page.evaluate(dark)
        page.get_by_role("button", name="Dark theme").click()
        assert page.evaluate(dark)


@pytest.mark.smoke
def test_api_reference_works_under_the_policy(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = visit.open("/docs")
        page.locator("#operations-predict-predict summary, #operations-predict-predict").first.wait_for()
        assert page.get_by_text("/metrics/compare").count()

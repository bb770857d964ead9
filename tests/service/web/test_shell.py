from __future__ import annotations

import re
from typing import Literal

import httpx
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_api_reference_has_the_theme_of_the_pages(
    browser: Browser, site: ServiceProcess, scheme: Literal["light", "dark"]
) -> None:
    paper = {"light": "rgb(247, 246, 243)", "dark": "rgb(21, 20, 19)"}
    other: Literal["light", "dark"] = "light" if scheme == "dark" else "dark"
    with visiting(browser, site.url, scheme=scheme) as visit:
        page = visit.open("/docs")
        heading = page.locator("#operations-predict-predict .opblock-summary-description")
        heading.wait_for()
        assert heading.inner_text() == "Classify one or more images"
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == paper[scheme]
        color = heading.evaluate("element => getComputedStyle(element).color")
        assert (sum(map(int, re.findall(r"\d+", color)[:3])) > 384) == (scheme == "dark"), color
        visit.open("/").get_by_role("button", name=f"{other.title()} theme").click()
        visit.open("/docs")
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == paper[other]


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_unknown_addresses_show_a_page(browser: Browser, site: ServiceProcess, size: tuple[int, int]) -> None:
    with visiting(browser, site.url, size=size) as visit:
        visit.expect("status of 404")
        page = visit.page
        answer = page.goto(f"{site.url}/ui/<b>nothing</b>")
        assert answer
        assert answer.status == 404
        assert page.title() == "Page not found · Duet"
        assert_accessible(page)
        assert_fits(page)
        page.get_by_role("main").get_by_role("link", name="Models").click()
        page.wait_for_url("**/ui/models")


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_unknown_addresses_give_programs_a_problem(site: ServiceProcess, accept: str) -> None:
    answer = httpx.get(f"{site.url}/nothing", headers={"accept": accept})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:duet:problem:not-found")
    refused = httpx.get(f"{site.url}/predict", headers={"accept": "text/html"})
    assert (refused.status_code, refused.json()["type"]) == (405, "urn:duet:problem:method-not-allowed")

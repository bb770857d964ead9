"""Playground while answers are on their way: nothing of an older image, method or version is shown."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import needs_chromium, visiting
from tests.support.playground import answered, noise_file, opened, pick
from tests.support.service import ServiceProcess
from tests.support.versions import predecessor

pytestmark = [pytest.mark.browser, needs_chromium]
ROUTES = re.compile(r"/(compare|view|saliency)\?")

NEVER_ABORTED = (
    "const send = window.fetch; window.fetch = (url, options) => send(url, { ...options, signal: undefined });"
)
"""Requests that the page gives up are answered anyway, late."""

WATCHED = """() => {
  const [maps, views] = [".map", ".view"].map((name) => [...document.querySelectorAll(name)].map((image) => image.src));
  const captions = [...document.querySelectorAll("figcaption")].map((each) => each.textContent);
  const said = [...document.querySelectorAll(".sure")].map((each) => each.textContent);
  const verdict = document.getElementById("verdict").textContent;
  const old = new Set([...maps, ...views, ...captions, ...said, verdict].filter(Boolean));
  window.stale = [];
  const look = () => {
    if (!document.getElementById("picture").alt.includes("noise.png")) return;
    const shown = [...document.querySelectorAll(".map, .view")].map((image) => image.src);
    for (const each of document.querySelectorAll("figcaption, .sure, #verdict")) shown.push(each.textContent);
    window.stale.push(...shown.filter((each) => old.has(each)));
  };
  const everything = { subtree: true, childList: true, attributes: true, characterData: true };
  new MutationObserver(look).observe(document.body, everything);
}"""


class Gate:
    """Holds requests of the page until they are released."""

    def __init__(self, page: Page, pattern: re.Pattern[str]) -> None:
        self.page = page
        self.held: list[Route] = []
        self.closed = True
        page.route(pattern, self._handle)

    def _handle(self, route: Route) -> None:
        if self.closed and route.request.method == "POST":
            self.held.append(route)
        else:
            route.continue_()

    def pass_next(self) -> None:
        """Keep the first request, and let the next ones pass."""
        while not self.held:
            self.page.wait_for_timeout(20)
        self.closed = False

    def open(self) -> None:
        self.closed = False
        for route in self.held:
            route.continue_()


@pytest.mark.smoke
def test_old_answers_never_appear_under_a_new_image(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit, "?method=saliency")
        pick(page)
        for family in ("mlp", "cnn"):
            expect(page.get_by_role("img", name=f"Saliency of {family} for cat")).to_be_visible()
        page.evaluate(WATCHED)
        gate = Gate(page, ROUTES)
        pick(page, noise_file())
        expect(page.locator("#picture-facts")).to_contain_text("noise.png")
        expect(page.get_by_role("status")).to_have_text("Classifying")
        expect(page.locator("#answers")).to_have_attribute("aria-busy", "true")
        for sight in page.get_by_role("figure").all():
            expect(sight).to_have_attribute("aria-busy", "true")
            expect(sight.locator("figcaption")).to_have_text("Computing")
            expect(sight.get_by_role("img")).to_have_count(0)
        for family in ("mlp", "cnn"):
            answered(page, family, "–")
        gate.open()
        expect(page.get_by_role("img", name=re.compile("^Saliency of cnn for (?!cat)"))).to_be_visible()
        expect(page.get_by_role("img", name=re.compile("^Saliency of mlp for"))).to_be_visible()
        assert page.locator("[aria-busy=true]").count() == 0
        assert page.evaluate("window.stale") == []


def test_late_answers_of_an_older_image_are_dropped(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        visit.page.add_init_script(NEVER_ABORTED)
        page = opened(visit, "?method=saliency")
        gate = Gate(page, ROUTES)
        pick(page)
        gate.pass_next()
        pick(page, noise_file())
        drawn = page.get_by_role("img", name=re.compile("^Saliency of cnn for"))
        expect(drawn).to_be_visible()
        before = page.locator("main").inner_text()
        views = page.locator(".view").evaluate_all("images => images.map((image) => image.src)")
        with page.expect_response("**/compare*") as late:
            gate.open()
        late.value.finished()
        page.wait_for_timeout(150)
        assert page.locator("main").inner_text() == before
        assert page.locator(".view").evaluate_all("images => images.map((image) => image.src)") == views


@pytest.mark.parametrize("what", ["view", "saliency"])
def test_late_explanations_of_an_older_image_are_dropped(browser: Browser, site: ServiceProcess, what: str) -> None:
    with visiting(browser, site.url) as visit:
        visit.page.add_init_script(NEVER_ABORTED)
        page = opened(visit, "?method=saliency")
        gate = Gate(page, re.compile(rf"/{what}\?model=cnn"))
        pick(page)
        gate.pass_next()
        pick(page, noise_file())
        expect(page.get_by_role("img", name=re.compile("^Saliency of cnn for (?!cat)"))).to_be_visible()
        shown = page.locator(".cnn img").evaluate_all("images => images.map((image) => image.src)")
        with page.expect_response(re.compile(rf"/{what}\?model=cnn")) as late:
            gate.open()
        late.value.finished()
        page.wait_for_timeout(150)
        assert page.locator(".cnn img").evaluate_all("images => images.map((image) => image.src)") == shown


def test_another_method_clears_the_old_map_at_once(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit, "?method=saliency")
        pick(page)
        expect(page.get_by_role("img", name="Saliency of cnn for cat")).to_be_visible()
        gate = Gate(page, ROUTES)
        page.get_by_label("Occlusion", exact=True).check(force=True)
        sight = page.get_by_role("figure").filter(has_text="cnn")
        expect(sight).to_have_attribute("aria-busy", "true")
        expect(sight.locator("figcaption")).to_have_text("Computing")
        expect(sight.get_by_role("img", name="Input of cnn")).to_be_visible()
        expect(sight.locator(".map")).to_be_hidden()
        gate.open()
        expect(page.get_by_role("img", name="Occlusion of cnn for cat")).to_be_visible()
        expect(sight).not_to_have_attribute("aria-busy", "true")


def test_another_version_clears_the_old_prediction_at_once(browser: Browser, site: ServiceProcess) -> None:
    older = str(predecessor("cnn"))
    with visiting(browser, site.url) as visit:
        page = opened(visit)
        pick(page)
        answered(page, "cnn", "cat")
        held: list[Route] = []
        page.route(f"**/models/cnn/versions/{older}", lambda route: held.append(route))
        page.get_by_label("Version of cnn").select_option(older)
        answered(page, "cnn", "–")
        expect(page.get_by_role("status")).to_have_text("Classifying")
        while not held:
            page.wait_for_timeout(20)
        held[0].continue_()
        answered(page, "cnn", "cat")
        expect(page.get_by_role("status")).to_contain_text("predict")

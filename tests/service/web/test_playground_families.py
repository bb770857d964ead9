"""Playground with many families: chosen, remembered, and compared only with those of the same classes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core.repository.manifest import MANIFEST_NAME, read_manifest
from tests.support.browser import NARROW, assert_accessible, assert_fits, needs_chromium, served_site, visiting
from tests.support.onnx_models import write_onnx_version
from tests.support.playground import answered, opened, pick
from tests.support.service import ServiceProcess, set_champions
from tests.support.versions import predecessor, shipped_folder

pytestmark = [pytest.mark.browser, needs_chromium]
OWN = [f"own_{number}" for number in range(7)]
OLDER = "dog"
"""Class that the version of the seven families predicts for the cat."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """Ten families: two that ship, seven with the same classes, and one with other classes."""
    home = tmp_path_factory.mktemp("home")
    for family in OWN:
        folder = home / "models" / family / "1"
        shutil.copytree(shipped_folder("mlp", predecessor("mlp")), folder)
        manifest = read_manifest(folder).model_copy(update={"family": family, "version": 1})
        (folder / MANIFEST_NAME).write_text(manifest.to_json())
    write_onnx_version(home / "models" / "shades" / "1", "shades", 1)
    set_champions(home / "models", shades=1, **dict.fromkeys(OWN, 1))
    with served_site(home, DUET_EMBEDDED_BROKER="0") as service:
        yield service


def shown(page: Page) -> list[str]:
    return page.get_by_role("article").locator("h2").all_inner_texts()


def tick(page: Page, family: str) -> Locator:
    return page.get_by_role("checkbox", name=family, exact=True)


def choose(page: Page, family: str, *, on: bool = True) -> None:
    tick(page, family).set_checked(on)


@pytest.mark.parametrize("size", [(1280, 900), NARROW], ids=["wide", "narrow"])
def test_ten_families_do_not_crowd_the_page(browser: Browser, site: ServiceProcess, size: tuple[int, int]) -> None:
    with visiting(browser, site.url, size=size) as visit:
        page = opened(visit)
        assert shown(page) == ["mlp", "cnn"]
        chooser = page.get_by_text("Models: mlp, cnn (2 of 10)")
        chooser.click()
        assert page.get_by_role("checkbox").count() == 10
        choose(page, "own_3")
        choose(page, "shades")
        pick(page)
        answered(page, "own_3", OLDER)
        answered(page, "shades", "grey")
        verdict = page.get_by_role("status")
        expect(verdict).to_contain_text(
            f"mlp predicts cat, cnn predicts cat, own_3 predicts {OLDER}. shades predicts grey."
        )
        expect(page.get_by_role("article", name="shades").locator("ul.bars li")).to_have_count(5)
        assert_accessible(page)
        assert_fits(page)


def test_choice_is_remembered_and_in_the_link(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit)
        page.get_by_text("(2 of 10)").click()
        choose(page, "own_1")
        choose(page, "mlp", on=False)
        expect(page.get_by_text("Models: cnn, own_1 (2 of 10)")).to_be_visible()
        opened(visit)
        assert shown(page) == ["cnn", "own_1"]
        page.get_by_role("button", name="Copy link").click()
        link = page.evaluate("navigator.clipboard.readText()").removeprefix(f"{visit.service}/")
        with visiting(browser, site.url) as other:
            elsewhere = opened(other, link)
            assert shown(elsewhere) == ["cnn", "own_1"]
            opened(other)
            assert shown(elsewhere) == ["mlp", "cnn"]


def test_single_family_uses_predict(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit, "?families=cnn")
        pick(page)
        answered(page, "cnn", "cat")
        expect(page.get_by_role("status")).to_contain_text("cnn predicts cat.")
        assert shown(page) == ["cnn"]
        assert "/predict?model=cnn" in (page.locator("#snippet-curl").text_content() or "")
        assert 'duet.predict(picture, model="cnn")' in (page.locator("#snippet-python").text_content() or "")
        page.get_by_text("Models: cnn (1 of 10)").click()
        expect(tick(page, "cnn")).to_be_disabled()
        choose(page, "own_0")
        answered(page, "own_0", OLDER)


def test_families_are_limited_to_one_request(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit, f"?families=mlp,{','.join(OWN)}")
        page.get_by_text("(8 of 10)").click()
        expect(tick(page, "cnn")).to_be_disabled()
        expect(tick(page, "shades")).to_be_disabled()
        pick(page)
        answered(page, "own_6", OLDER)
        choose(page, "mlp", on=False)
        expect(tick(page, "cnn")).to_be_enabled()

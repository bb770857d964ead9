"""Models page in a browser: champions, promotion with the gate's report, rollback, cards and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from core.repository.manifest import MANIFEST_NAME, read_manifest
from tests.support.browser import (
    ADMIN_KEY,
    JOBS_KEY,
    NARROW,
    WIDE,
    Visit,
    assert_accessible,
    assert_fits,
    layout_shift,
    needs_chromium,
    served_site,
    sign_in,
    visiting,
)
from tests.support.holdouts import write_judged_version
from tests.support.onnx_models import gray_png
from tests.support.service import set_champions
from tests.support.versions import write_files

pytestmark = [pytest.mark.browser, needs_chromium]
CARD = """---
license: apache-2.0
---

# cnn@2

**Not** <script>alert(1)</script>, see `model.onnx` and [the data](https://data.example/x) or
[this](javascript:alert(2)).

| class | F1 |
|---|---|
| <b>black</b> | 0.9 |

![training curves](figures/history.png)
![elsewhere](https://other.example/x.png)
"""


@dataclass(frozen=True)
class Models:
    """A service with four versions of cnn; the second is the best, and the manifest of the fourth is damaged."""

    url: str
    folder: Path

    def champion(self) -> int:
        version: int = httpx.get(f"{self.url}/models/cnn").json()["champion"]
        return version


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    home = tmp_path_factory.mktemp("home")
    folder = home / "models"
    for version, wrong in ((1, 12), (2, 0), (3, 20)):
        write_judged_version(folder, version, wrong=wrong)
    add_files(folder / "cnn" / "2", {"README.md": CARD.encode(), "figures/history.png": gray_png(64, size=200)})
    (folder / "cnn" / "4").mkdir()
    (folder / "cnn" / "4" / "manifest.json").write_text("{}")
    set_champions(folder, cnn=1)
    with served_site(home, DUET_SHIPPED_MODELS=str(home / "none"), DUET_EMBEDDED_BROKER="0") as service:
        yield Models(service.url, folder / "cnn")


def add_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Add these files to the version in `folder`, before the service reads it."""
    manifest = read_manifest(folder)
    whole = manifest.model_copy(update={"files": {**manifest.files, **write_files(folder, files)}})
    (folder / MANIFEST_NAME).write_text(whole.to_json())


def version_row(page: Page, reference: str) -> Locator:
    return page.locator(".version-row").filter(has=page.get_by_role("link", name=reference, exact=True))


@pytest.mark.smoke
def test_better_version_is_promoted_and_rolled_back(browser: Browser, models: Models) -> None:
    with visiting(browser, models.url, size=WIDE) as visit:
        visit.expect("status of 401")
        page = visit.open("/ui/models")
        expect(page.get_by_text("cnn@1 is served.")).to_be_visible()
        expect(page.get_by_text("Shipped with the project as champion")).to_be_visible()
        expect(version_row(page, "cnn@2")).to_contain_text("90.0 % (59.6 to 98.2), n = 10")
        expect(version_row(page, "cnn@4")).to_contain_text("manifest.json")
        assert_accessible(page)
        assert layout_shift(page) < 0.02

        page.get_by_role("button", name="Promote cnn@2…").click()
        dialog = page.get_by_role("dialog", name="Promote cnn@2")
        expect(dialog.get_by_text("cnn@2 may replace cnn@1")).to_be_visible()
        expect(dialog.locator(".verdicts")).to_contain_text("McNemar's p is below 0.0001")
        expect(dialog.get_by_label("anyway")).to_be_hidden()
        assert_accessible(page)
        assert models.champion() == 1
        dialog.get_by_label("Reason").fill("right where the old one <i>fails</i>")
        dialog.get_by_role("button", name="Promote").click()
        # Nobody has signed in yet: the field for the key opens over the dialog, which goes on afterwards.
        page.get_by_role("dialog", name="Sign in").get_by_label("Key").fill(ADMIN_KEY)
        page.keyboard.press("Enter")
        expect(page.get_by_text("cnn@2 is the champion.")).to_be_visible()
        expect(page.get_by_text("cnn@2 is served.")).to_be_visible()
        assert models.champion() == 2
        expect(page.locator(".champion")).to_contain_text("right where the old one <i>fails</i>")
        expect(page.locator(".champion")).to_contain_text("promoted by key")
        page.get_by_text("Audit trail").click()
        expect(page.locator(".trail > li").first).to_contain_text("cnn@1 → cnn@2")

        page.get_by_role("button", name="Roll back…").click()
        dialog = page.get_by_role("dialog", name="Roll cnn back")
        dialog.get_by_role("button", name="Roll back").click()
        expect(dialog.get_by_label("Reason")).to_be_focused()
        expect(dialog.get_by_text("Enter a reason")).to_be_visible()
        dialog.get_by_label("Reason").fill("worse at night")
        dialog.get_by_role("button", name="Roll back").click()
        expect(page.get_by_text("cnn@1 is served.")).to_be_visible()
        expect(page.locator(".champion")).to_contain_text("worse at night")
        assert models.champion() == 1
        page.get_by_text("Audit trail").click()
        expect(page.locator(".trail > li").first).to_contain_text("Rolled back")


def test_worse_version_needs_force_and_a_reason(browser: Browser, models: Models) -> None:
    with visiting(browser, models.url, size=NARROW, scheme="dark") as visit:
        page = visit.open("/ui/models")
        sign_in(page, ADMIN_KEY)
        page.get_by_role("button", name="Promote cnn@3…").click()
        dialog = page.get_by_role("dialog", name="Promote cnn@3")
        expect(dialog.get_by_text("Does not pass")).to_be_visible()
        confirm = dialog.get_by_role("button", name="Promote")
        expect(confirm).to_be_disabled()
        assert_accessible(page)
        assert_fits(page)
        dialog.get_by_label("anyway").check()
        confirm.click()
        expect(dialog.get_by_text("Enter a reason")).to_be_visible()
        assert models.champion() == 1
        dialog.get_by_label("Reason").fill("a drill")
        confirm.click()
        expect(page.get_by_text("cnn@3 is served.")).to_be_visible()
        page.get_by_text("Audit trail").click()
        newest = page.locator(".trail > li").first
        expect(newest).to_contain_text("Forced")
        newest.get_by_text("Checks").click()
        expect(newest.locator(".verdicts")).to_contain_text("Significantly worse after Holm")
        assert_accessible(page)
        assert_fits(page)
        page.get_by_role("button", name="Roll back…").click()
        page.get_by_label("Reason").fill("the drill is over")
        page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        expect(page.get_by_text("cnn@1 is served.")).to_be_visible()


def test_double_click_rolls_back_once(browser: Browser, models: Models) -> None:
    headers = {"X-API-Key": ADMIN_KEY}
    httpx.post(f"{models.url}/models/cnn/versions/2/promote", headers=headers, timeout=30).raise_for_status()
    held: list[Route] = []
    with visiting(browser, models.url) as visit:
        page = visit.open("/ui/models")
        sign_in(page, ADMIN_KEY)
        page.route("**/models/cnn/rollback", lambda route: held.append(route))
        page.get_by_role("button", name="Roll back…").click()
        dialog = page.get_by_role("dialog", name="Roll cnn back")
        dialog.get_by_label("Reason").fill("worse at night")
        with page.expect_request("**/models/cnn/rollback"):
            dialog.get_by_role("button", name="Roll back").dblclick()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        assert len(held) == 1
        held[0].continue_()
        expect(page.get_by_text("cnn@1 is the champion again.")).to_be_visible()
        expect(page.get_by_text("cnn@1 is served.")).to_be_visible()
    assert models.champion() == 1


def test_unserved_champion_is_shown(browser: Browser, models: Models) -> None:
    reason = "cnn@1: model.onnx is missing"
    unready = {"title": "Not ready", "models": [{"model": "cnn", "champion": 1, "served": None, "reason": reason}]}
    with visiting(browser, models.url) as visit:
        visit.expect("status of 503")
        visit.page.route(
            "**/readyz*", lambda route: route.fulfill(status=503, json=unready, content_type="application/problem+json")
        )
        page = visit.open("/ui/models")
        expect(page.locator(".champion")).to_contain_text(f"No version is served: {reason}.")


def test_key_without_scope_gives_an_error_in_the_dialog(browser: Browser, models: Models) -> None:
    with visiting(browser, models.url) as visit:
        visit.expect("status of 403")
        page = visit.open("/ui/models?model=cnn&version=2")
        sign_in(page, JOBS_KEY)
        page.get_by_role("button", name="Promote…").click()
        dialog = page.get_by_role("dialog", name="Promote cnn@2")
        confirm = dialog.get_by_role("button", name="Promote")
        expect(confirm).to_be_enabled()
        confirm.click()
        expect(dialog.get_by_role("alert")).to_contain_text("admin")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
    assert models.champion() == 1


@pytest.mark.parametrize(("size", "scheme"), [(NARROW, "light"), (WIDE, "dark")], ids=["narrow", "wide"])
def test_model_card_shows_markup_as_text_and_its_figures(
    browser: Browser, models: Models, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    with visiting(browser, models.url, size=size, scheme=scheme) as visit:
        page = opened(visit, 2)
        card = page.locator(".card-text")
        expect(card).to_contain_text(
            "Not <script>alert(1)</script>, see model.onnx and the data or [this](javascript:alert(2))."
        )
        expect(card).to_contain_text("![elsewhere](https://other.example/x.png)")
        expect(card.locator("tbody th")).to_have_text("<b>black</b>")
        expect(card).not_to_contain_text("license:")
        assert card.locator("img").evaluate_all("(all) => all.map((one) => one.naturalWidth)") == [200]
        assert card.locator("a").evaluate_all("(all) => all.map((one) => one.href)") == ["https://data.example/x"]
        expect(page.get_by_text("When it was published")).to_be_visible()
        assert_accessible(page)
        assert_fits(page)
        assert layout_shift(page) < 0.02


def test_earlier_evaluations_are_loaded_once(browser: Browser, models: Models) -> None:
    page_of = httpx.get(f"{models.url}/models/cnn/versions/2/evaluations").raise_for_status().json()
    asked: list[Route] = []

    def answer(route: Route) -> None:
        if "cursor=published" in route.request.url:
            asked.append(route)
        else:
            route.fulfill(json=page_of | {"next_cursor": "published"})

    with visiting(browser, models.url) as visit:
        visit.page.route("**/versions/2/evaluations*", answer)
        page = opened(visit, 2)
        earlier = page.get_by_role("button", name="Earlier evaluations")
        with page.expect_request("**/evaluations?cursor=published"):
            earlier.dblclick()
        expect(earlier).to_be_disabled()
        assert len(asked) == 1
        asked[0].fulfill(json=page_of)
        expect(page.locator(".evaluations > li")).to_have_count(2)
        expect(earlier).to_be_hidden()


def test_changed_files_are_named(browser: Browser, models: Models) -> None:
    with visiting(browser, models.url) as visit:
        page = opened(visit, 3)
        page.get_by_role("button", name="Verify").click()
        expect(page.get_by_text("Every file matches its published hash.")).to_be_visible()
        damaged = models.folder / "3" / "evaluation.json"
        content = damaged.read_bytes()
        damaged.write_bytes(content[:-2])
        page.get_by_role("button", name="Verify").click()
        expect(page.locator(".files .damaged")).to_have_count(1)
        expect(page.locator(".files .damaged")).to_contain_text("evaluation.json")
        expect(page.locator(".files .damaged")).to_contain_text("bytes instead of")
        assert_accessible(page)
        visit.expect("status of 409")
        page.reload()
        expect(page.get_by_role("alert")).to_contain_text("evaluation.json")
        damaged.write_bytes(content)


def test_files_of_a_version_can_be_downloaded(browser: Browser, models: Models) -> None:
    with visiting(browser, models.url) as visit:
        page = opened(visit, 3)
        with page.expect_download() as started:
            page.get_by_role("link", name="model.onnx", exact=True).click()
        assert started.value.suggested_filename == "model.onnx"
        assert started.value.path().read_bytes() == (models.folder / "3" / "model.onnx").read_bytes()


def test_two_versions_link_to_their_comparison(browser: Browser, models: Models) -> None:
    with visiting(browser, models.url) as visit:
        page = visit.open("/ui/models")
        page.route("**/ui/comparison*", lambda route: route.fulfill(body="the comparison", content_type="text/plain"))
        page.get_by_label("First version").select_option("cnn@3")
        page.get_by_label("Second version").select_option("cnn@2")
        with page.expect_navigation(url="**/ui/comparison?first=cnn%403&second=cnn%402"):
            page.get_by_role("button", name="Compare", exact=True).click()
        page.go_back()
        compare = page.get_by_role("link", name="Compare cnn@2 with the champion")
        assert compare.get_attribute("href") == "/ui/comparison?first=cnn%402&second=cnn%401"


def opened(visit: Visit, version: int) -> Page:
    page = visit.open(f"/ui/models?model=cnn&version={version}")
    page.get_by_role("heading", name="Files").wait_for()
    return page


def test_versions_are_deleted_and_a_model_is_archived(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    for version in (1, 2):
        write_judged_version(folder, version, wrong=10)
    (folder / "cnn").rename(folder / "pets")
    for path in (folder / "pets").iterdir():
        manifest = read_manifest(path)
        (path / MANIFEST_NAME).write_text(manifest.model_copy(update={"family": "pets"}).to_json())
    write_judged_version(folder, 1, wrong=10)
    set_champions(folder, pets=1, cnn=1)
    with (
        served_site(tmp_path, DUET_SHIPPED_MODELS=str(tmp_path / "none"), DUET_EMBEDDED_BROKER="0") as service,
        visiting(browser, service.url, size=NARROW) as visit,
    ):
        page = visit.open("/ui/models")
        sign_in(page, ADMIN_KEY)
        expect(page.get_by_role("button", name="Delete pets@1…")).to_have_count(0)
        page.get_by_role("button", name="Delete pets@2…").click()
        dialog = page.get_by_role("dialog", name="Delete pets@2")
        dialog.get_by_role("button", name="Cancel").click()
        expect(version_row(page, "pets@2")).to_be_visible()
        page.get_by_role("button", name="Delete pets@2…").click()
        dialog.get_by_role("button", name="Delete").click()
        expect(dialog.get_by_text("Enter a reason")).to_be_visible()
        assert_accessible(page)
        assert_fits(page)
        dialog.get_by_label("Reason").fill("wrong labels")
        dialog.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("pets@2 is deleted.")).to_be_visible()
        expect(version_row(page, "pets@2")).to_have_count(0)

        pets = page.get_by_role("region", name="pets")
        pets.get_by_role("button", name="Archive pets…").click()
        page.get_by_label("Reason").fill("replaced")
        page.get_by_role("dialog").get_by_role("button", name="Archive").click()
        expect(pets).to_contain_text("It has no champion")
        pets.get_by_text("Audit trail").click()
        expect(pets.locator(".trail > li")).to_contain_text(["Archived", "Deleted"])
        expect(pets.locator(".trail > li").nth(1)).to_contain_text("pets@2 by key")
        assert_fits(page)
        pets.get_by_role("button", name="Delete pets…").click()
        page.get_by_label("Reason").fill("replaced")
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_text("pets is deleted.")).to_be_visible()
        expect(pets).to_have_count(0)
        assert not (folder / "pets" / "1").exists()

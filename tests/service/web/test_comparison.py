"""Comparison page in a real browser, with shipped and generated versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from core.repository.manifest import read_manifest
from tests.support.browser import (
    NARROW,
    SHIPPED,
    WIDE,
    Visit,
    assert_accessible,
    assert_fits,
    layout_shift,
    needs_chromium,
    visiting,
)
from tests.support.comparisons import write_latency, write_robustness
from tests.support.onnx_models import write_onnx_version
from tests.support.service import ServiceProcess, service_process
from tests.support.versions import champion, predecessor, shipped_folder

pytestmark = [pytest.mark.browser, needs_chromium]
CNN, MLP, OLDER = f"cnn@{champion('cnn')}", f"mlp@{champion('mlp')}", f"cnn@{predecessor('cnn')}"
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """The shipped versions with the records of two of them, and cnn@90 with other data and a class name like markup."""
    home = tmp_path_factory.mktemp("home")
    for family, clean, ms in (("cnn", 0.9, 2.6), ("mlp", 0.6, 0.4)):
        manifest = read_manifest(shipped_folder(family, champion(family)))
        write_robustness(home / "reports", manifest, clean=clean)
        write_latency(home / "reports", manifest, ms=ms)
    write_onnx_version(home / "models" / "cnn" / "90", "cnn", 90, classes=(MARKUP, "b", "c", "d", "e"))
    with service_process(home, DUET_SHIPPED_MODELS=str(SHIPPED)) as service:
        yield service


@pytest.fixture
def visit(browser: Browser, site: ServiceProcess) -> Iterator[Visit]:
    with visiting(browser, site.url) as opened:
        yield opened


def compared(site: ServiceProcess, **query: str) -> Any:
    answer = httpx.get(f"{site.url}/metrics/compare", params=query, headers={"Accept": "application/json"}, timeout=60)
    return answer.raise_for_status().json()


def section(page: Page, heading: str) -> Any:
    return page.locator("section", has=page.get_by_role("heading", name=heading, exact=True))


@pytest.mark.smoke
def test_champions_are_compared(visit: Visit, site: ServiceProcess) -> None:
    data = compared(site)
    page = visit.open("/metrics/compare")
    said = data["significance"]
    expect(page.get_by_role("heading", name=said["headline"])).to_be_visible()
    expect(page.get_by_text(said["sentence"])).to_be_visible()
    expect(page.get_by_role("status")).to_have_text(said["headline"])
    for side in ("first", "second"):
        model = data[side]
        card = page.get_by_role("region", name=f"{model['model']}@{model['version']}", exact=True)
        expect(card).to_contain_text(f"{100 * model['scores']['accuracy']['value']:.2f} %")
        expect(card).to_contain_text(f"n = {data['paired']['images']:,}")
        expect(card).to_contain_text(f"{model['probability']['log_loss']['value']:.3f}")
        expect(card).to_contain_text("Champion")
    expect(page.get_by_label("First version")).to_have_value(MLP)
    expect(page.get_by_label("Second version")).to_have_value(CNN)
    costs = page.get_by_role("group", name="Cost of both versions")
    expect(costs.get_by_role("row", name=re.compile("Parameters"))).to_contain_text(
        f"{data['second']['cost']['parameters']:,}"
    )
    expect(costs.get_by_role("row", name=re.compile("Inference time per image, fp32"))).to_contain_text("2.6 ms")


@pytest.mark.parametrize(
    ("query", "versions"),
    [("", (MLP, CNN)), (f"?first={OLDER}&second=mlp", (OLDER, MLP)), (f"?first={CNN}", (CNN, CNN))],
)
def test_menus_name_the_versions_while_they_are_compared(visit: Visit, query: str, versions: tuple[str, str]) -> None:
    waiting: list[Route] = []
    visit.page.route("**/metrics/compare?*", lambda route: waiting.append(route))
    page = visit.open(f"/ui/comparison{query}")
    expect(page.get_by_text("Comparing")).to_be_visible()
    for label, version in zip(("First version", "Second version"), versions, strict=True):
        expect(page.get_by_label(label)).to_have_value(version)
    page.get_by_label("First version").select_option(OLDER)
    assert f"?first={OLDER}&second={versions[1]}" in unquote(page.url)
    for route in waiting:
        route.abort()


def test_classes_by_recall_precision_and_f1(visit: Visit, site: ServiceProcess) -> None:
    data = compared(site)
    page = visit.open("/ui/comparison")
    cat = [row["label"] for row in data["first"]["scores"]["per_class"]].index("cat")
    for name, measure in (("Recall", "recall"), ("Precision", "precision"), ("F1", "f1")):
        page.get_by_label(name, exact=True).check()
        row = section(page, "Per-class metrics").get_by_role("group", name="cat", exact=True)
        for side in ("first", "second"):
            value = data[side]["scores"]["per_class"][cat][measure]["value"]
            expect(row).to_contain_text(f"{100 * value:.1f} %")
    page.get_by_label("Recall", exact=True).check()
    tested = next(row for row in data["per_class"] if row["label"] == "cat")
    assert tested["significant"]
    assert tested["difference"]["value"] < 0
    lead = f"+{-100 * tested['difference']['value']:.1f}"
    expect(section(page, "Per-class metrics").get_by_role("group", name="cat", exact=True)).to_contain_text(
        f"{lead} for {CNN}"
    )
    section(page, "Per-class metrics").get_by_text("Show as a table").click()
    cells = page.get_by_role("group", name="Recall of each class").get_by_role("row", name=re.compile("^cat"))
    expect(cells).to_contain_text("p < 0.0001, significant")


def test_confusion_matrix_by_keyboard_in_shares_and_counts(visit: Visit, site: ServiceProcess) -> None:
    counts = compared(site)["first"]["scores"]["confusion_matrix"]
    page = visit.open("/metrics/compare")
    grid = page.get_by_role("grid", name=f"Confusion matrix of {MLP}")
    expect(grid.get_by_role("gridcell")).to_have_count(100)
    expect(grid.locator("[tabindex='0']")).to_have_count(1)
    grid.locator("[tabindex='0']").focus()
    page.keyboard.press("ArrowLeft")  # there is nothing to the left
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    focused = page.locator(":focus")
    expect(focused).to_contain_text(f"automobile predicted as bird, {counts[1][2] / 10:.1f} %")
    expect(page.locator(".readout")).to_contain_text("automobile predicted as bird")
    expect(page.locator(".readout")).to_contain_text(CNN)
    page.get_by_label("Images", exact=True).check()
    cell = grid.get_by_role("row").nth(4).get_by_role("gridcell").nth(5)
    expect(cell).to_have_text(re.compile(rf"^{counts[3][5]}: cat predicted as dog"))
    other = page.get_by_role("grid", name=f"Confusion matrix of {CNN}").get_by_role("row").nth(4)
    cell.hover()
    expect(other.get_by_role("gridcell").nth(5)).to_have_class(re.compile("pointed"))
    cell.click()
    page.keyboard.press("ArrowRight")
    expect(page.locator(":focus")).to_contain_text("cat predicted as frog")
    expect(grid.locator("[tabindex='0']")).to_have_count(1)


def test_reliability_and_robustness_with_their_tables(visit: Visit, site: ServiceProcess) -> None:
    page = visit.open("/metrics/compare")
    calibration = section(page, "Reliability diagram")
    expect(calibration.locator("canvas")).to_be_visible()
    scores = calibration.get_by_role("group", name="Scores of the predicted probabilities")
    for side in ("first", "second"):
        most = compared(site)[side]["probability"]["ece_if_calibrated"]["percentile_95"]
        row = scores.get_by_role("row", name=re.compile("Error of a perfectly calibrated model"))
        expect(row).to_contain_text(f"95th percentile {100 * most:.2f} %")
    calibration.get_by_text("The bins as a table").click()
    expect(page.get_by_role("group", name="Reliability diagram by bin").get_by_role("row")).to_have_count(16)
    robustness = section(page, "Robustness")
    expect(robustness).to_contain_text(f"Over all corruptions, {MLP} loses")
    expect(robustness.get_by_role("group", name="gaussian noise", exact=True)).to_be_visible()
    robustness.get_by_text("Show as a table").click()
    table = page.get_by_role("group", name="Accuracy under each condition and level")
    expect(table.get_by_role("row")).to_have_count(1 + 5)


def test_chosen_versions_are_in_the_link(visit: Visit, site: ServiceProcess) -> None:
    headline = compared(site, first=OLDER, second=CNN)["significance"]["headline"]
    page = visit.open("/metrics/compare")
    page.get_by_role("heading", name=f"{CNN} is more accurate than {MLP}").wait_for()
    page.get_by_label("First version").select_option(OLDER)
    page.get_by_role("heading", name=headline).wait_for()
    assert page.url.endswith(f"/metrics/compare?first={OLDER.replace('@', '%40')}&second={CNN.replace('@', '%40')}")
    expect(section(page, "Robustness")).to_contain_text(f"duet evaluate {OLDER} --robustness")
    page.reload()
    page.get_by_role("heading", name=headline).wait_for()
    page.get_by_role("button", name="Swap the two versions").click()
    expect(page.get_by_label("First version")).to_have_value(CNN)
    expect(page.get_by_label("Second version")).to_have_value(OLDER)
    page.get_by_role("heading", name=compared(site, first=CNN, second=OLDER)["significance"]["headline"]).wait_for()
    page.go_back()
    page.get_by_role("heading", name=headline).wait_for()
    page.go_back()
    page.get_by_role("heading", name=f"{CNN} is more accurate than {MLP}").wait_for()


def test_versions_that_are_not_comparable_give_an_error(visit: Visit) -> None:
    visit.expect("status of 404")
    visit.expect("status of 409")
    page = visit.open(f"/metrics/compare?first=vit&second={CNN}")
    expect(page.get_by_role("alert")).to_contain_text("unknown model 'vit'")
    expect(page.get_by_label("First version")).to_have_value("vit")
    page.get_by_label("First version").select_option("cnn@90")
    expect(page.get_by_role("alert")).to_contain_text("different classes")
    assert_accessible(page)
    page.locator("#comparison").get_by_role("link", name=OLDER, exact=True).click()
    page.wait_for_url(re.compile(f"first={CNN}&second={OLDER}".replace("@", "(@|%40)")))
    expect(page.get_by_label("Second version")).to_have_value(OLDER)
    page.get_by_label("First version").select_option(MLP)
    page.get_by_role("heading", name=f"{OLDER} is more accurate than {MLP}").wait_for()


def test_class_names_are_shown_as_text(visit: Visit) -> None:
    page = visit.open("/metrics/compare?first=cnn@90&second=cnn@90")
    page.get_by_role("heading", name="cnn@90 and cnn@90 make the same predictions").wait_for()
    expect(section(page, "Per-class metrics").get_by_role("group", name=MARKUP)).to_be_visible()
    assert page.locator("#comparison img").count() == 0


@pytest.mark.parametrize(("size", "scheme"), [(NARROW, "dark"), (WIDE, "light")])
def test_comparison_is_accessible_fits_and_does_not_shift(
    browser: Browser, site: ServiceProcess, size: tuple[int, int], scheme: Any
) -> None:
    with visiting(browser, site.url, size=size, scheme=scheme) as opened:
        page = opened.open("/metrics/compare")
        expect(section(page, "Reliability diagram").locator("canvas")).to_be_visible()
        assert layout_shift(page) < 0.02
        for summary in page.locator("#comparison summary").all():
            summary.click()
        assert_accessible(page)
        assert_fits(page)

"""Live page in a real browser: figures, alarms and tests; capture off; updates; themes and sizes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from core.records.base import write_report
from core.records.lookup import report_path
from core.repository.repository import ModelRepository
from core.trials.store import TrialStore
from tests.support.browser import (
    NARROW,
    Scheme,
    assert_accessible,
    assert_fits,
    layout_shift,
    needs_chromium,
    visiting,
)
from tests.support.live import (
    gray_answer,
    gray_requests,
    label_free_record,
    usual_mix,
    wait_for_figures,
    write_labels,
    write_live_home,
)
from tests.support.onnx_models import write_onnx_version
from tests.support.service import ServiceProcess, service_process
from tests.support.shadow import end, plan
from tests.support.traffic import captured, write_segment

pytestmark = [pytest.mark.browser, needs_chromium]

MIDDLE = (1024, 800)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Traffic of which 60 % is white and flagged, with labels of 40 images."""
    home = tmp_path_factory.mktemp("home")
    write_live_home(home)
    records = gray_requests(usual_mix(40))
    write_labels(home, records, [record.answers[0].label for record in records[:34]] + [None] * 6)

    changed = [captured(f"d{n}", answers=(gray_answer("white", flagged=True),)) for n in range(60)]
    write_segment(home, [*records, *changed])
    return home


@pytest.fixture(scope="module")
def site(home: Path) -> Iterator[ServiceProcess]:
    with service_process(home, DUET_CAPTURE_SHARE="0.5") as service:
        wait_for_figures(service.url, 100)
        yield service


@pytest.mark.smoke
def test_figures_alarms_and_tests_are_shown(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = visit.open("/ui/live")
        card = page.get_by_role("region", name="cnn@1 fp32")
        expect(card).to_contain_text("85.0 %")
        expect(card).to_contain_text("accuracy, estimated from 40 labels, 6 of them of no class")
        expect(card.get_by_role("row", name="Energy")).to_contain_text("Alarm")
        expect(card.get_by_role("row", name="Confidence 100")).to_contain_text("No alarm")
        expect(page.get_by_role("region", name="mlp@1 fp32")).to_contain_text("no label yet")
        alarms = page.get_by_role("region", name="Alarms")
        expect(alarms.get_by_role("article")).to_have_count(3)
        expect(alarms).to_contain_text("'white' is 68.0% of 100 images")
        expect(page.get_by_role("status")).to_contain_text("3 alarms, the newest:")
        expect(
            page.get_by_role("group", name="Classes of cnn@1 fp32").get_by_role("row", name="white")
        ).to_contain_text("68.0 % (20.0 %)")
        expect(page.get_by_role("group", name="Disagreement of the families")).to_contain_text("cnn@1 and mlp@1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [NARROW, MIDDLE])
def test_page_is_accessible_fits_and_does_not_shift(
    browser: Browser, site: ServiceProcess, size: tuple[int, int], scheme: Scheme
) -> None:
    with visiting(browser, site.url, size=size, scheme=scheme) as visit:
        page = visit.open("/ui/live")
        page.get_by_role("heading", name="Classes").wait_for()
        assert_accessible(page)
        assert_fits(page)
        assert layout_shift(page) < 0.1


def test_new_requests_appear_without_a_reload(browser: Browser, tmp_path: Path) -> None:
    repository = ModelRepository(write_live_home(tmp_path), tmp_path / "none")
    record = label_free_record(repository)
    write_report(report_path(tmp_path / "reports", "label_free", "mlp@1", "cnn@1"), record)
    with service_process(tmp_path, DUET_CAPTURE_SHARE="0.5") as service, visiting(browser, service.url) as visit:
        page = visit.open("/ui/live")
        page.get_by_text("No request has been stored yet.").wait_for()
        write_segment(tmp_path, gray_requests(["white"]))
        wait_for_figures(service.url, 1)
        page.get_by_text("1 recent images, the last one").wait_for()
        page.get_by_text("No alarm.", exact=True).wait_for()
        card = page.get_by_role("region", name="cnn@1 fp32")
        expect(card).to_contain_text(
            "Without labels: no estimate, because cnn@1 and mlp@1 have answered 1 recent images"
        )
        write_segment(tmp_path, gray_requests(usual_mix(299), start=1))
        wait_for_figures(service.url, 300)
        expect(card).to_contain_text("without labels, from 300 images that mlp@1 answered too")
        expect(card).to_contain_text("Measured error under corruptions: 3.0 points on average, at most 10.0 points.")


def test_page_says_that_capture_is_off(browser: Browser, tmp_path: Path) -> None:
    write_live_home(tmp_path)
    with service_process(tmp_path) as service, visiting(browser, service.url) as visit:
        page = visit.open("/ui/live")
        page.get_by_text("Capture is off: the service stores no requests.").wait_for()
        assert_accessible(page)
        shown = visit.open("/metrics/live")
        shown.get_by_text("Capture is off: the service stores no requests.").wait_for()


def test_an_error_is_shown_and_the_figures_stay(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        visit.expect("ERR_FAILED")
        page = visit.open("/ui/live")
        page.get_by_role("heading", name="Classes").wait_for()
        page.route("**/metrics/live", lambda route: route.abort())
        page.get_by_text("The service does not respond").wait_for()
        expect(page.get_by_role("heading", name="Classes")).to_be_visible()
        page.unroute("**/metrics/live")
        expect(page.get_by_text("The service does not respond")).to_have_count(0)


def test_shadow_trials_are_shown_with_their_evidence(browser: Browser, tmp_path: Path) -> None:
    write_onnx_version(write_live_home(tmp_path) / "cnn" / "2", "cnn", 2)
    store = TrialStore(tmp_path)
    with service_process(tmp_path) as service, visiting(browser, service.url) as visit:
        page = visit.open("/ui/live")
        page.get_by_text("Capture is off: the service stores no requests.").wait_for()
        trial = store.start("cnn", 1, plan(version=2, share=0.2), by="ann")
        card = page.get_by_role("region", name="Trial of cnn@2")
        expect(card).to_contain_text("cnn@2 against cnn@1")
        expect(card).to_contain_text("Running")
        assert store.end(trial, end())
        expect(card).to_contain_text("cnn@2 is more accurate than cnn@1.")
        expect(card).to_contain_text("Verdict")
        expect(card.get_by_role("row", name="Only cnn@2 is right")).to_contain_text("40")
        expect(card).to_contain_text("decisive at 40")
        assert_accessible(page)
        assert_fits(page)

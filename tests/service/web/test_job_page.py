"""Job page in a browser: live curves, reloads, lost connections, actions."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

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
    visiting,
)
from tests.support.job_children import Pace
from tests.support.onnx_models import gray_png
from tests.support.training_site import TrainingSite, training_site

pytestmark = [pytest.mark.browser, needs_chromium]
ROWS = """() => [...(document.querySelector('figure.chart')?.querySelectorAll('tbody tr') ?? [])]
  .map((row) => [...row.children].map((cell) => cell.textContent))"""
"""Rows of the first chart: epoch, training loss, validation loss, and loss of the running epoch."""


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingSite]:
    with training_site(tmp_path_factory.mktemp("site"), DUET_WORKER_JOBS="4") as site:
        yield site


def opened(visit: Visit, job: str) -> Page:
    page = visit.open(f"/ui/jobs?job={job}")
    page.locator(".job-page:not(.preparing)").wait_for()
    return page


def rows(*epochs: int, running: tuple[str, str] | None = None) -> list[list[str]]:
    """Expected rows after these epochs, with the step and loss of the running epoch."""
    table = [[str(epoch), f"{loss(epoch) - 0.05:.3f}", f"{loss(epoch):.3f}", ""] for epoch in epochs]
    if running is not None:
        if table:
            table[-1][3] = table[-1][1]
        table.append([running[0], "", "", running[1]])
    return table


def loss(epoch: int) -> float:
    return 0.9 - epoch / 10


def told(pace: Pace, *epochs: int) -> None:
    for epoch in epochs:
        pace.epoch(epoch, 4, loss=loss(epoch), accuracy=0.5 + epoch / 10)


def shows(page: Page, expected: list[list[str]]) -> None:
    page.wait_for_function(f"(expected) => JSON.stringify(({ROWS})()) === expected", arg=_compact(expected))


def _compact(table: list[list[str]]) -> str:
    return "[" + ",".join("[" + ",".join(f'"{cell}"' for cell in row) + "]" for row in table) + "]"


@pytest.mark.smoke
def test_curve_grows_and_survives_a_reload(browser: Browser, trainings: TrainingSite) -> None:
    job, pace = trainings.start(overrides={"epochs": 4})
    with visiting(browser, trainings.url) as visit:
        page = opened(visit, job)
        expect(page.get_by_role("heading", level=1)).to_have_text("Jobs / cnn_fast")
        expect(page.locator(".job-head")).to_contain_text(re.compile(r"Starting · \d+ s elapsed"))
        pace.tell("stage", name="fit")
        pace.tell("fit_started", steps=40, done=0, detail="")
        pace.progress(5, 40, 4, loss=1.5)
        shows(page, rows(running=("0.5", "1.50")))
        told(pace, 1, 2)
        shows(page, rows(1, 2))
        pace.progress(25, 40, 4, loss=0.75, accuracy=0.625)
        shows(page, rows(1, 2, running=("2.5", "0.750")))
        expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("aria-valuenow", "63")
        expect(page.locator(".job-head")).to_contain_text("fit · epoch 3 of 4 · accuracy 62.5 %")
        expect(page.locator(".job-head")).to_contain_text(re.compile(r"\d+ s elapsed · about 1 s left"))
        expect(page.locator(".connection")).to_have_text("Live")
        pace.print("epoch 2 of 4: <b>loss</b> 0.7")
        pace.tell("note", text="bfloat16 is faster here")
        expect(page.get_by_role("region", name="Log")).to_contain_text("epoch 2 of 4: <b>loss</b> 0.7")
        page.reload()
        shows(page, rows(1, 2, running=("2.5", "0.750")))
        expect(page.get_by_text("bfloat16 is faster here")).to_be_visible()
        told(pace, 3)
        shows(page, rows(1, 2, 3))
        pace.succeed()
        expect(page.locator(".badge").first).to_have_text("Done")
        expect(page.locator(".connection")).to_have_text("")
        page.reload()
        shows(page, rows(1, 2, 3))
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        assert layout_shift(page) < 0.02


def test_lost_connection_loses_and_repeats_no_point(browser: Browser, trainings: TrainingSite) -> None:
    job, pace = trainings.start()
    with visiting(browser, trainings.url) as visit:
        page = opened(visit, job)
        told(pace, 1)
        shows(page, rows(1))
        page.context.set_offline(True)
        expect(page.locator(".connection")).to_contain_text(re.compile(r"No answer since \d\d:\d\d:\d\d\."))
        expect(page.locator(".badge").first).to_have_text("Last known: running")
        told(pace, 2, 3)
        pace.progress(35, 40, 4, loss=0.5)
        page.context.set_offline(False)
        shows(page, rows(1, 2, 3, running=("3.5", "0.500")))
        expect(page.locator(".connection")).to_have_text("Live")
        pace.succeed()
        trainings.wait(job, "succeeded")


def test_cancel_asks_first_then_for_the_key_and_retry_draws_anew(browser: Browser, trainings: TrainingSite) -> None:
    job, pace = trainings.start()
    with visiting(browser, trainings.url) as visit:
        visit.expect("status of 401")
        page = opened(visit, job)
        told(pace, 1, 2)
        shows(page, rows(1, 2))
        page.get_by_role("button", name="Cancel", exact=True).click()
        question = page.get_by_role("dialog", name="Cancel this training?")
        expect(question).to_contain_text("The checkpoint of its last complete epoch is kept")
        expect(question.get_by_role("button", name="Keep it running")).to_be_focused()
        assert_accessible(page)
        page.keyboard.press("Enter")
        expect(question).to_have_count(0)
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.keyboard.press("Escape")
        expect(question).to_have_count(0)
        assert httpx.get(f"{trainings.url}/jobs/{job}").json()["state"] == "running"
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("button", name="Cancel the training").click()
        dialog = page.get_by_role("dialog", name="Sign in")
        dialog.get_by_label("Key").fill("not the key")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("alert")).to_contain_text("key")
        dialog.get_by_label("Key").fill(JOBS_KEY)
        page.keyboard.press("Enter")
        expect(page.locator(".badge").first).to_have_text("Cancelled")
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        pace.forget()
        page.get_by_role("button", name="Retry").click()
        expect(page.locator(".connection")).to_have_text("Live")
        pace.epoch(1, 4, loss=0.25, accuracy=0.9)
        # Later points of the first attempt are removed.
        shows(page, [["1", "0.200", "0.250", ""]])
        expect(page.get_by_text("Attempts")).to_be_visible()
        pace.succeed()
        expect(page.locator(".badge").first).to_have_text("Done")


def test_late_record_does_not_replace_a_newer_one(browser: Browser, trainings: TrainingSite) -> None:
    job, pace = trainings.start()
    record = f"{trainings.url}/jobs/{job}"
    late: list[Route] = []
    with visiting(browser, trainings.url) as visit:
        page = opened(visit, job)
        told(pace, 1)
        shows(page, rows(1))
        running = httpx.get(record).json()
        page.route(re.compile(f"/jobs/{job}$"), lambda route: route.continue_() if late else late.append(route))
        httpx.post(f"{record}/cancel", headers={"x-api-key": ADMIN_KEY}).raise_for_status()
        expect(page.locator(".badge").first).to_have_text("Cancelled")
        with page.expect_response(record) as answer:
            late[0].fulfill(json=running)
        answer.value.finished()
        page.wait_for_timeout(100)
        expect(page.locator(".badge").first).to_have_text("Cancelled")
        expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_failure_is_shown_as_text(browser: Browser, trainings: TrainingSite) -> None:
    job, pace = trainings.start(recipe="mlp_baseline")
    pace.fail("TrainingDivergedError", "<img src=x onerror=alert(1)> is no longer finite")
    trainings.wait(job, "failed")
    with visiting(browser, trainings.url, size=NARROW, scheme="dark") as visit:
        page = opened(visit, job)
        expect(page.locator(".notice.bad")).to_contain_text("<img src=x onerror=alert(1)> is no longer finite")
        expect(page.get_by_role("button", name="Retry")).to_be_visible()
        expect(page.locator(".curves")).to_be_hidden()
        assert_accessible(page)
        assert_fits(page)


@pytest.mark.smoke
def test_job_list_follows_the_jobs(browser: Browser, trainings: TrainingSite) -> None:
    job, pace = trainings.start(overrides={"epochs": 4}, recipe="mlp_best")
    pace.progress(10, 40, 4, loss=1.0)
    with visiting(browser, trainings.url, size=WIDE) as visit:
        page = visit.open("/ui/jobs")
        row = page.locator(".job-row").first
        expect(row).to_contain_text("mlp_best")
        expect(row).to_contain_text("epoch 1 of 4")
        expect(row.locator(".badge")).to_have_text("Running")
        assert_accessible(page)
        pace.succeed()
        expect(row.locator(".badge")).to_have_text("Done")
        expect(page.get_by_role("status").filter(has_text="mlp_best: Done")).to_have_count(1)
        page.get_by_label("State").select_option("queued")
        expect(page.get_by_text("No job matches the filter.")).to_be_visible()
        page.get_by_label("State").select_option("succeeded")
        row.get_by_role("link").click()
        page.wait_for_url(f"**/ui/jobs?job={job}")
    with visiting(browser, trainings.url) as visit:
        visit.expect("status of 404")
        page = visit.open("/ui/jobs?job=no-such-job")
        expect(page.get_by_role("alert")).to_contain_text("no-such-job")


@pytest.mark.slow
def test_page_continues_after_a_restart_of_the_service(browser: Browser, tmp_path: Path) -> None:
    """Broker and worker restart too; the second attempt reports all epochs again, without duplicate points."""
    with contextlib.ExitStack() as running:
        site = running.enter_context(training_site(tmp_path))
        job, pace = site.start()
        with visiting(browser, site.url) as visit:
            visit.tolerate("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING")
            page = opened(visit, job)
            told(pace, 1)
            shows(page, rows(1))
            running.close()
            expect(page.locator(".connection")).to_contain_text("No answer since")
            told(pace, 2)
            again = running.enter_context(training_site(tmp_path, port=site.service.address[1]))
            shows(page, rows(1, 2))
            expect(page.locator(".connection")).to_have_text("Live")
            pace.succeed()
            expect(page.locator(".badge").first).to_have_text("Done")
            assert again.wait(job, "succeeded")["attempt"] == 2
            shows(page, rows(1, 2))


def test_batch_prediction_offers_its_tables(browser: Browser, trainings: TrainingSite) -> None:
    folder = trainings.home / "datasets" / "grays" / "any"
    folder.mkdir(parents=True)
    (folder / "gray.png").write_bytes(gray_png(128))
    (folder / "notes.txt").write_text("no image")
    body = {"data": "folder:grays", "models": ["cnn", "mlp"]}
    accepted = httpx.post(f"{trainings.url}/batch", json=body, headers={"x-api-key": ADMIN_KEY}, timeout=30)
    job = accepted.raise_for_status().json()["id"]
    with visiting(browser, trainings.url) as visit:
        page = opened(visit, job)
        expect(page.get_by_role("heading", level=1)).to_have_text("Jobs / Predict with cnn@1, mlp@1")
        expect(page.locator(".badge").first).to_have_text("Done", timeout=60_000)
        expect(page.get_by_role("listitem").filter(has_text="mlp@1.csv")).to_contain_text("1 image predicted")
        expect(page.get_by_role("listitem").filter(has_text="cnn@1.csv")).to_contain_text("1 unreadable")
        assert_accessible(page)
        with page.expect_download() as download:
            page.get_by_role("link", name="cnn@1.csv").click()
        assert "any/gray.png" in download.value.path().read_text(encoding="utf-8")
        assert download.value.suggested_filename == "cnn@1.csv"
        page = visit.open("/ui/jobs")
        expect(page.get_by_text("cnn@1: 1 image predicted, 1 unreadable").first).to_be_visible()

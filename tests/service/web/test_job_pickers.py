"""Menus of versions in the training form, and the offer to download CIFAR-10."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Request, expect

from core.images.cifar_files import FOLDER_NAME, download_folder
from tests.support.browser import NARROW, WIDE, assert_accessible, assert_fits, needs_chromium, sign_in, visiting
from tests.support.job_api import empty_cifar
from tests.support.job_children import double
from tests.support.labelled_folders import write_labelled_folder
from tests.support.training_site import TrainingSite, training_site

pytestmark = [pytest.mark.browser, needs_chromium]
DOWNLOADS = """
if job.kind != "download":
    sys.exit(3)
tell("stage", name="download CIFAR-10")
tell("progress", epoch=0, epochs=0, step=42000000, steps=170498071, loss=None, accuracy=None, seconds_left=93.0)
hear()
sys.exit(3)
"""
"""Job process whose download never ends by itself."""


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingSite]:
    folder = tmp_path_factory.mktemp("site")
    python = double(folder / "python", DOWNLOADS)
    with training_site(folder, DUET_DATA_DIR=str(folder / "none"), DUET_TRAINING_PYTHON=str(python)) as site:
        yield site


def body_of(request: Request) -> dict[str, Any]:
    """JSON that the page has sent."""
    body: dict[str, Any] = request.post_data_json  # type: ignore[assignment]
    return body


@pytest.mark.smoke
def test_missing_data_is_marked_and_its_download_offered(browser: Browser, trainings: TrainingSite) -> None:
    write_labelled_folder(trainings.home, "colors", {"sand": 8, "snow": 8})
    with visiting(browser, trainings.url, size=NARROW) as visit:
        visit.expect("status of 409")
        page = visit.open("/ui/jobs?new=train")
        expect(page.get_by_label("Data", exact=True).locator("option:checked")).to_have_text("cifar10 · not downloaded")
        offer = page.get_by_role("button", name="Download CIFAR-10 (170 MB)")
        page.get_by_label("Data", exact=True).select_option("folder:colors")
        expect(offer).to_be_hidden()
        page.get_by_label("Data", exact=True).select_option("cifar10")
        expect(offer).to_be_visible()
        sign_in(page)
        page.get_by_role("button", name="Start the training").click()
        expect(page.get_by_role("alert")).to_contain_text("CIFAR-10 is not downloaded")
        assert_accessible(page)
        assert_fits(page)
        offer.click()
        page.wait_for_url("**/ui/jobs?job=*")
        job = page.url.partition("job=")[2]
        expect(page.get_by_role("heading", level=1)).to_have_text("Jobs / CIFAR-10")
        expect(page.locator(".job-head")).to_contain_text("download CIFAR-10 · 42 MB of 170 MB")
        expect(page.locator(".job-head")).to_contain_text("about 1 min")
        expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("aria-valuenow", "25")
        expect(page.locator(".curves")).to_be_hidden()
        assert_fits(page)

        page = visit.open("/ui/jobs?data")
        expect(page.locator(".data-list > li").last).to_contain_text("Not downloaded")
        page.get_by_role("button", name="Download CIFAR-10 (170 MB)").click()
        page.wait_for_url(f"**/ui/jobs?job={job}")  # the one that runs
        page.get_by_role("button", name="Cancel", exact=True).click()
        question = page.get_by_role("dialog", name="Cancel this download?")
        expect(question).to_contain_text("Downloaded data is kept")
        question.get_by_role("button", name="Cancel the download").click()
        expect(page.locator(".badge").first).to_have_text("Cancelled")
        expect(page.get_by_role("button", name="Retry")).to_be_visible()

        page = visit.open("/ui/jobs?new=evaluate")
        expect(offer).to_be_visible()
        assert_accessible(page)


def test_present_dataset_is_not_offered(browser: Browser, trainings: TrainingSite) -> None:
    folder: Path = empty_cifar(download_folder(trainings.home) / FOLDER_NAME)
    try:
        with visiting(browser, trainings.url) as visit:
            for path in ("/ui/jobs?new=train", "/ui/jobs?new=evaluate"):
                page = visit.open(path)
                expect(page.get_by_label("Data", exact=True).locator("option:checked")).to_have_text("cifar10")
                expect(page.get_by_role("button", name="Download")).to_be_hidden()
            page = visit.open("/ui/jobs?data")
            expect(page.locator(".data-list > li").last.get_by_role("link", name="Train on it")).to_be_visible()
    finally:
        for file in folder.iterdir():
            file.unlink()


def test_versions_are_chosen_from_menus(browser: Browser, trainings: TrainingSite) -> None:
    folder: Path = empty_cifar(download_folder(trainings.home) / FOLDER_NAME)
    try:
        with visiting(browser, trainings.url, size=WIDE) as visit:
            page = visit.open("/ui/jobs?new=train")
            sign_in(page)
            page.get_by_label("Recipe", exact=True).select_option("mlp_baseline")
            start = page.get_by_label("Init from", exact=True)
            expect(start.locator("option:checked")).to_have_text("Random weights")
            assert start.locator("option").all_inner_texts() == [
                "Random weights",
                "cnn@1 (champion)",
                "mlp@1 (champion)",
            ]
            page.get_by_text("Distillation", exact=True).click()
            teacher = page.get_by_label("Teacher", exact=True)
            second = page.get_by_label("Teacher, version 2", exact=True)
            expect(second).to_have_count(0)
            teacher.select_option("cnn@1")
            second.select_option("mlp@1")
            third = page.get_by_label("Teacher, version 3", exact=True)
            expect(third).to_have_count(1)
            expect(page.get_by_text("distillation.teacher none → cnn@1+mlp@1")).to_be_visible()
            assert_accessible(page)
            with page.expect_request("**/train") as sent:
                page.get_by_role("button", name="Start the training").click()
            assert body_of(sent.value)["overrides"] == {"distillation.teacher": "cnn@1+mlp@1"}
            page.wait_for_url("**/ui/jobs?job=*")
            page.get_by_role("link", name="New job with these settings").click()
            expect(teacher).to_have_value("cnn@1")
            expect(second).to_have_value("mlp@1")
            page.get_by_text("Distillation", exact=True).click()
            teacher.select_option("")  # the second one moves up
            expect(teacher).to_have_value("mlp@1")
            expect(third).to_have_count(0)
            page.get_by_role("button", name="Reset Teacher").click()
            expect(teacher).to_have_value("")
            expect(second).to_have_count(0)
            start.select_option("mlp@1")
            visit.expect("status of 422")
            with page.expect_response("**/train") as answered:
                page.get_by_role("button", name="Start the training").click()
            sent_again = body_of(answered.value.request)
            assert sent_again["init_from"] == "mlp@1"
            assert "distillation.teacher" not in sent_again["overrides"]
            expect(start).to_have_attribute("aria-invalid", "true")
            expect(page.get_by_text("cannot start from mlp@1")).to_be_visible()  # its configuration is made up
    finally:
        for file in folder.iterdir():
            file.unlink()
    assert httpx.get(f"{trainings.url}/jobs").status_code == 200

"""Forms of the jobs page: training, evaluation, data set upload."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import (
    ADMIN_KEY,
    JOBS_KEY,
    NARROW,
    Visit,
    assert_accessible,
    assert_fits,
    needs_chromium,
    sign_in,
    visiting,
)
from tests.support.labelled_folders import picture, write_labelled_folder
from tests.support.training_site import TrainingSite, training_site

pytestmark = [pytest.mark.browser, needs_chromium]
CLASSES = {"brick red": 44, "grass": 42, "night": 45}


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingSite]:
    with training_site(tmp_path_factory.mktemp("site"), DUET_WORKER_JOBS="2") as site:
        yield site


def signed_in(visit: Visit, path: str, key: str = JOBS_KEY) -> Page:
    page = visit.open(path)
    sign_in(page, key)
    return page


def complaint(page: Page, label: str) -> str:
    """Error message of the field, found by `aria-describedby`."""
    field = page.get_by_label(label, exact=True)
    assert field.get_attribute("aria-invalid") == "true"
    described = (field.get_attribute("aria-describedby") or "").split()
    return " ".join(page.locator(f"#{part}").inner_text() for part in described)


@pytest.mark.smoke
def test_training_form_follows_the_schema_of_the_recipe(browser: Browser, trainings: TrainingSite) -> None:
    pace = trainings.trainings.next()
    with visiting(browser, trainings.url, size=NARROW) as visit:
        visit.expect("status of 422")
        page = signed_in(visit, "/ui/jobs?new=train")
        page.get_by_label("Recipe", exact=True).select_option("cnn_baseline")
        expect(page.get_by_label("Family", exact=True)).to_have_attribute("placeholder", "cnn")
        page.get_by_label("Recipe", exact=True).select_option("mlp_baseline")
        expect(page.get_by_label("Family", exact=True)).to_have_attribute("placeholder", "mlp")
        expect(page.get_by_label("Epochs", exact=True)).to_have_value("40")
        expect(page.get_by_text("1 to 10,000.", exact=True)).to_be_visible()
        page.get_by_text("Network", exact=True).click()
        expect(page.get_by_label("Hidden", exact=True)).to_have_value("1024, 512, 256")
        page.get_by_label("Hidden", exact=True).fill("16, wide")
        page.get_by_text("Network", exact=True).click()
        page.get_by_label("Epochs", exact=True).fill("0")
        page.get_by_label("Batch size", exact=True).fill("")
        page.get_by_label("Family", exact=True).fill("Not a name")
        page.get_by_label("Seed", exact=True).fill(str(pace.seed))
        assert_accessible(page)
        assert_fits(page)
        start = page.get_by_role("button", name="Start the training")
        start.click()
        expect(page.get_by_label("Family", exact=True)).to_be_focused()
        assert "lower-case letters, digits, - and _, starting with a letter" in complaint(page, "Family")
        page.get_by_label("Family", exact=True).fill("")
        start.click()
        # The sections with errors are open, and the first invalid field has the focus.
        expect(page.get_by_label("Hidden", exact=True)).to_be_focused()
        assert "valid integer" in complaint(page, "Hidden")
        assert "greater than 0" in complaint(page, "Epochs")
        assert "valid integer" in complaint(page, "Batch size")
        assert_accessible(page)
        page.get_by_label("Hidden", exact=True).fill("16")
        page.get_by_label("Epochs", exact=True).fill("3")
        page.get_by_role("button", name="Reset Batch size").click()
        expect(page.get_by_label("Batch size", exact=True)).to_have_value("256")
        expect(
            page.get_by_text("2 settings changed: epochs 40 → 3, network.hidden 1024, 512, 256 → 16")
        ).to_be_visible()
        start.click()
        page.wait_for_url("**/ui/jobs?job=*")
        job = page.url.partition("job=")[2]
        parameters = httpx.get(f"{trainings.url}/jobs/{job}").json()["parameters"]
        assert parameters == {
            "recipe": "mlp_baseline", "data": "cifar10", "family": None, "init_from": None, "seed": pace.seed,
            "promote": "if_better", "overrides": {"epochs": 3, "network.hidden": [16]},
        }  # fmt: skip

        page.get_by_role("link", name="New job with these settings").click()
        expect(page.get_by_label("Epochs", exact=True)).to_have_value("3")
        expect(page.get_by_label("Seed", exact=True)).to_have_value(str(pace.seed))
        network = page.locator(".settings-part", has=page.get_by_text("Network", exact=True))
        expect(network.locator(".badge")).to_have_text("1 changed")
    pace.succeed()
    trainings.wait(job, "succeeded")


def test_missing_scope_is_shown_in_the_form(browser: Browser, trainings: TrainingSite) -> None:
    with visiting(browser, trainings.url) as visit:
        visit.expect("status of 401")
        visit.expect("status of 403")
        page = visit.open("/ui/jobs?new=train")
        page.get_by_label("Promote", exact=True).select_option("always")
        page.get_by_role("button", name="Start the training").click()
        page.get_by_role("dialog").get_by_label("Key", exact=True).fill(JOBS_KEY)
        page.keyboard.press("Enter")
        expect(page.locator("form").get_by_role("alert")).to_contain_text("admin")
    assert httpx.get(f"{trainings.url}/jobs", params={"state": "queued"}).json()["jobs"] == []


def test_missing_data_set_is_not_replaced(browser: Browser, trainings: TrainingSite) -> None:
    with visiting(browser, trainings.url) as visit:
        visit.expect("status of 422")
        page = signed_in(visit, "/ui/jobs?new=train&data=folder%3Agone&family=gone")
        expect(page.get_by_label("Data", exact=True)).to_have_value("folder:gone")
        page.get_by_role("button", name="Start the training").click()
        expect(page.get_by_label("Data", exact=True)).to_be_focused()
        assert "gone" in complaint(page, "Data")


@pytest.mark.slow
def test_evaluation_starts_with_the_checked_versions(browser: Browser, trainings: TrainingSite) -> None:
    with visiting(browser, trainings.url) as visit:
        visit.expect("status of 422")
        write_labelled_folder(trainings.home, "other", {"sand": 20, "snow": 20})
        page = signed_in(visit, "/ui/jobs?new=evaluate&version=mlp%401", ADMIN_KEY)
        expect(page.get_by_role("checkbox", name="mlp@1")).to_be_checked()
        page.get_by_role("checkbox", name="cnn@1").check()
        page.get_by_label("Data", exact=True).select_option("folder:other")
        page.get_by_role("button", name="Start the evaluation").click()
        expect(page.get_by_text("has other classes")).to_be_visible()
        assert_accessible(page)
        page.get_by_label("Data", exact=True).select_option("cifar10")
        page.get_by_role("button", name="Start the evaluation").click()
        page.wait_for_url("**/ui/jobs?job=*")
        expect(page.get_by_role("heading", level=1)).to_have_text("Jobs / Evaluate cnn@1, mlp@1")
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name=re.compile("Cancel the evaluation")).click()
        expect(page.locator(".badge").first).to_have_text("Cancelled")


def test_upload_shows_progress_and_can_be_stopped(browser: Browser, trainings: TrainingSite, tmp_path: Path) -> None:
    (tmp_path / "some.zip").write_bytes(colors_zip())
    with visiting(browser, trainings.url) as visit:
        page = signed_in(visit, "/ui/jobs?data")
        page.get_by_label("A zip", exact=True).set_input_files(tmp_path / "some.zip")
        page.route("**/datasets/some", lambda _: None)  # never answered
        page.get_by_role("button", name="Upload").click()
        bar = page.get_by_role("progressbar", name="Upload")
        expect(bar).to_have_attribute("aria-valuenow", re.compile(r"\d+"))
        assert_accessible(page)
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("The upload was stopped.")).to_be_visible()
        expect(bar).to_be_hidden()
        expect(page.get_by_role("button", name="Upload")).to_be_enabled()
    assert httpx.get(f"{trainings.url}/datasets/some").status_code == 404


def test_broken_zip_gives_an_error(browser: Browser, trainings: TrainingSite, tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(colors_zip()[:-30])
    with visiting(browser, trainings.url) as visit:
        visit.expect("status of 422")
        page = signed_in(visit, "/ui/jobs?data")
        page.get_by_label("A zip", exact=True).set_input_files(tmp_path / "broken.zip")
        page.get_by_role("button", name="Upload").click()
        said = page.get_by_role("alert")
        expect(said).to_contain_text("not a zip file or is truncated")
        expect(said).to_contain_text("zip the class folders again")


def test_expired_session_asks_for_the_key(browser: Browser, trainings: TrainingSite, tmp_path: Path) -> None:
    (tmp_path / "ended.zip").write_bytes(colors_zip())
    with visiting(browser, trainings.url) as visit:
        visit.expect("status of 401")
        page = signed_in(visit, "/ui/jobs?data")
        page.get_by_label("A zip", exact=True).set_input_files(tmp_path / "ended.zip")
        page.context.clear_cookies()
        page.get_by_role("button", name="Upload").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        expect(page.get_by_role("button", name="Upload")).to_be_enabled()
        assert page.locator(".notice").count() == 0
        page.get_by_role("button", name="Upload").click()
        page.get_by_label("Key", exact=True).fill(JOBS_KEY)
        page.keyboard.press("Enter")
        expect(page.get_by_text("131 images added to ended, 1 file skipped.")).to_be_visible()


@pytest.mark.slow
def test_uploaded_images_become_a_champion(browser: Browser, trainings: TrainingSite, tmp_path: Path) -> None:
    """Upload a zip and then a folder, and train on both until the version is served."""
    (tmp_path / "Colors.zip").write_bytes(colors_zip())
    more = tmp_path / "more" / "grass"
    more.mkdir(parents=True)
    for number in (3, 90, 91):
        (more / f"{number}.png").write_bytes(picture("grass", number))
    (tmp_path / "more" / "stray.png").write_bytes(picture("night", 99))
    with visiting(browser, trainings.url) as visit:
        visit.expect("status of 422")
        page = signed_in(visit, "/ui/jobs?data")
        page.get_by_label("A zip", exact=True).set_input_files(tmp_path / "Colors.zip")
        expect(page.get_by_label("Name of the data set", exact=True)).to_have_value("colors")
        page.get_by_label("Name of the data set", exact=True).fill("cifar10")
        page.get_by_role("button", name="Upload").click()
        expect(page.locator("#data-name-error")).to_contain_text("built-in")
        page.get_by_label("Name of the data set", exact=True).fill("colors")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_text("131 images added to colors, 1 file skipped.")).to_be_visible()
        expect(page.get_by_text("colors/night/<b>broken.png")).to_be_visible()
        assert_accessible(page)

        page.get_by_label("Or a folder", exact=True).set_input_files(tmp_path / "more")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_text("2 images added to colors, 1 duplicates, 1 file skipped.")).to_be_visible()
        expect(page.get_by_text("not in a class folder")).to_be_visible()
        colors = page.locator(".data-list > li").filter(has_text="colors")
        expect(colors).to_contain_text("3 classes · 133 images")
        colors.get_by_text("Classes", exact=True).click()
        expect(page.locator(".class-bars").first).to_contain_text("brick red")

        colors.get_by_role("link", name="Train on it").click()
        expect(page.get_by_label("Data", exact=True)).to_have_value("folder:colors")
        expect(page.get_by_label("Family", exact=True)).to_have_value("colors")
        page.get_by_label("Epochs", exact=True).fill("4")
        page.get_by_label("Batch size", exact=True).fill("8")
        page.get_by_label("Precision", exact=True).select_option("float32")
        page.get_by_label("Image size", exact=True).fill("16")
        page.get_by_text("Network", exact=True).click()
        page.get_by_label("Hidden", exact=True).fill("16")
        page.get_by_role("button", name="Start the training").click()
        page.wait_for_url("**/ui/jobs?job=*")
        expect(page.get_by_role("heading", name="Published colors@1")).to_be_visible(timeout=120_000)
        expect(page.get_by_text("Now champion", exact=True)).to_be_visible()
        expect(page.locator(".gate")).to_contain_text("has no champion")
        points = page.evaluate("() => document.querySelectorAll('figure.chart')[0].querySelectorAll('tbody tr').length")
        assert points == 4
        page.get_by_role("link", name="colors@1").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Models / colors@1")
        expect(page.get_by_role("heading", name="Model card")).to_be_visible()


def colors_zip() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for label, count in CLASSES.items():
            for number in range(count):
                file.writestr(f"colors/{label}/{number}.png", picture(label, number))
        file.writestr("colors/night/<b>broken.png", b"\x89PNG\r\n\x1a\n and no more")
    return archive.getvalue()

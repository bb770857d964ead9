"""Page of a data set, and folders that are dropped or chosen for an upload."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.images.labelled_folders import read_folder
from tests.support.browser import (
    JOBS_KEY,
    NARROW,
    assert_accessible,
    assert_fits,
    needs_chromium,
    open_signed_in,
    served_site,
    sign_in,
    visiting,
)
from tests.support.labelled_folders import picture, write_labelled_folder
from tests.support.service import ServiceProcess

pytestmark = [pytest.mark.browser, needs_chromium]
SKIPPED_BY_MACS = {".DS_Store": b"\0\0\0\1Bud1", "__MACOSX/cat/._1.png": b"\0\5\x16\7"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    folder = write_labelled_folder(home, "colors", {"grass": 30, "night": 5})
    (folder / "night" / "broken.png").write_bytes(b"not an image")
    (folder / "night" / "copy.png").write_bytes(picture("grass", 0))
    write_labelled_folder(home, "many", {"sand": 60, "snow": 60})
    return home


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[ServiceProcess]:
    with served_site(home, DUET_EMBEDDED_WORKER="0") as service:
        yield service


def opened(page: Page, service: ServiceProcess, name: str) -> Page:
    return open_signed_in(page, service.url, f"/ui/jobs?data={name}")


def drop(page: Page, selector: str, *paths: Path) -> None:
    """Drop files or folders from the system on an element."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send(
            "Input.dispatchDragEvent",
            {"type": kind, "x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "data": data},
        )


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.mark.parametrize("size", [NARROW, (1280, 900)])
def test_page_shows_the_data_set_before_a_training(
    browser: Browser, service: ServiceProcess, size: tuple[int, int]
) -> None:
    with visiting(browser, service.url, size=size) as visit:
        page = opened(visit.page, service, "colors")
        warnings = page.locator(".set-warnings > li")
        expect(warnings.filter(has_text="1 class has fewer than 20 images (night)")).to_be_visible()
        expect(warnings.filter(has_text="grass has 30 images, night has 6")).to_be_visible()
        expect(warnings.filter(has_text="1 file cannot be read")).to_be_visible()
        expect(warnings.filter(has_text="1 image is in several classes")).to_be_visible()
        expect(page.get_by_text("night/broken.png the data is not an image")).to_be_visible()
        expect(page.locator(".set-classes > li")).to_have_count(2)
        expect(page.locator(".set-classes img")).to_have_count(12)
        expect(page.locator(".set-groups > li").first).to_contain_text("Different classes")
        expect(page.locator(".set-grid > li")).to_have_count(37)
        expect(page.locator(".set-grid .unreadable")).to_have_count(1)
        page.wait_for_function("() => [...document.querySelectorAll('.set-classes img')].every((img) => img.complete)")
        assert page.evaluate(
            "() => [...document.querySelectorAll('.set-classes img')].every((img) => img.naturalWidth)"
        )
        assert_accessible(page)
        assert_fits(page)
        if size == NARROW:
            page.get_by_role("button", name="Remove night: night/copy.png").click()
            expect(page.locator(".set-edits > li").first).to_contain_text("1 image removed")
            expect(warnings.filter(has_text="1 image is in several classes")).to_have_count(0)
            page.get_by_role("button", name="Undo: 1 image removed").click()
            expect(warnings.filter(has_text="1 image is in several classes")).to_be_visible()
        page.get_by_role("link", name="Train on it").click()
        expect(page.get_by_label("Data", exact=True)).to_have_value("folder:colors")


def test_edits_are_saved_listed_and_undone(browser: Browser, service: ServiceProcess, home: Path) -> None:
    before = read_folder(home, "many")
    with visiting(browser, service.url) as visit:
        page = opened(visit.page, service, "many")
        tiles = page.locator(".set-grid > li")
        expect(tiles).to_have_count(48)
        page.get_by_role("button", name="More images").click()
        expect(tiles).to_have_count(96)
        page.get_by_label("Show").select_option("snow")
        expect(page.get_by_text("60 images", exact=True)).to_be_visible()
        page.get_by_label("snow: snow/0000").check()
        page.get_by_label("snow: snow/0001").check()
        expect(page.get_by_text("2 images selected")).to_be_visible()
        assert_accessible(page)
        page.get_by_label("New class").fill("sand")
        page.get_by_role("button", name="Move to class").click()
        expect(page.get_by_text("58 images", exact=True)).to_be_visible()
        page.get_by_label("snow: snow/0002").check()
        page.get_by_role("button", name="Remove", exact=True).click()
        expect(page.get_by_text("57 images", exact=True)).to_be_visible()
        expect(page.get_by_text("2 classes · 119 images")).to_be_visible()
        edited = read_folder(home, "many")
        assert {label: len(files) for label, files in edited.files.items()} == {"sand": 62, "snow": 57}
        assert edited.stored_images == 120
        page.get_by_label("Show").select_option(label="Removed images")
        page.get_by_label("snow: snow/0002").check()
        page.get_by_role("button", name="Restore").click()
        expect(page.get_by_text("No image is removed.")).to_be_visible()
        expect(page.locator(".set-edits > li").first).to_contain_text("1 image restored as snow")
        page.get_by_role("button", name="Undo: 2 images moved from snow to sand").click()
        expect(page.get_by_text("2 images moved from sand to snow")).to_be_visible()
        assert read_folder(home, "many").digest == before.digest
        assert_fits(page)


def test_images_are_shown_after_signing_in(browser: Browser, service: ServiceProcess) -> None:
    with visiting(browser, service.url) as visit:
        visit.expect("status of 401")
        page = visit.open("/ui/jobs?data=colors")
        expect(page.get_by_text("2 classes · 37 images")).to_be_visible()
        page.get_by_role("button", name="Sign in to see them").click()
        page.get_by_label("Key", exact=True).fill(JOBS_KEY)
        page.keyboard.press("Enter")
        expect(page.locator(".set-grid > li")).to_have_count(37)


def test_dropped_folder_with_parts_keeps_them(
    browser: Browser, service: ServiceProcess, home: Path, tmp_path: Path
) -> None:
    files = {
        f"{name}/{label}/{number}.png": picture(label, number + 10 * index)
        for index, name in enumerate(("train", "val", "test"))
        for label in ("grass", "night")
        for number in range(3)
    }
    folder = write(tmp_path / "My Parts", files | SKIPPED_BY_MACS)
    with visiting(browser, service.url) as visit:
        page = visit.open("/ui/jobs?data")
        sign_in(page, JOBS_KEY)
        drop(page, ".drop-zone", folder)
        expect(page.get_by_text("My Parts: 20 files")).to_be_visible()
        expect(page.get_by_label("Name of the data set", exact=True)).to_have_value("my-parts")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_text("18 images added to my-parts.")).to_be_visible()
        page.get_by_role("link", name="Look at the images").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Jobs / my-parts")
    listed = read_folder(home, "my-parts")
    assert listed.layout == "parts"
    assert [file.part for file in listed.files["grass"]].count("validation") == 3


def test_dropped_class_folders_and_nested_ones_are_sent(
    browser: Browser, service: ServiceProcess, home: Path, tmp_path: Path
) -> None:
    files = {f"{label}/2026/größe, {n}.png": picture(label, n) for label in ("grass", "night") for n in range(4)}
    write(tmp_path, {"grass/0.png": picture("grass", 9)} | files | {"grass/.DS_Store": b"x"})
    with visiting(browser, service.url) as visit:
        page = visit.open("/ui/jobs?data")
        sign_in(page, JOBS_KEY)
        drop(page, ".drop-zone", tmp_path / "grass", tmp_path / "night")
        expect(page.get_by_text("Folders: 10 files")).to_be_visible()
        page.get_by_label("Name of the data set", exact=True).fill("nested")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_text("9 images added to nested.")).to_be_visible()
    assert {label: len(files) for label, files in read_folder(home, "nested").files.items()} == {"grass": 5, "night": 4}


def test_zip_of_a_mac_is_taken(browser: Browser, service: ServiceProcess, home: Path, tmp_path: Path) -> None:
    archive = tmp_path / "pets.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for label in ("grass", "night"):
            for number in range(4):
                file.writestr(f"pets/{label}/{number}.png", picture(label, number))
                file.writestr(f"__MACOSX/pets/{label}/._{number}.png", b"\0\5\x16\7")
        file.writestr("pets/.DS_Store", b"\0\0\0\1Bud1")
    with visiting(browser, service.url) as visit:
        page = visit.open("/ui/jobs?data")
        sign_in(page, JOBS_KEY)
        drop(page, ".drop-zone", archive)
        expect(page.get_by_label("Name of the data set", exact=True)).to_have_value("pets")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_text(re.compile(r"8 images added to pets\.$"))).to_be_visible()
    assert read_folder(home, "pets").images == 8

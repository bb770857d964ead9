"""Deletion of a data set on the jobs page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from core.images.dataset_deletion import deletions
from tests.support.browser import (
    JOBS_KEY,
    NARROW,
    assert_accessible,
    assert_fits,
    needs_chromium,
    served_site,
    sign_in,
    visiting,
)
from tests.support.labelled_folders import write_labelled_folder

pytestmark = [pytest.mark.browser, needs_chromium]


def test_data_set_is_deleted_after_a_reason(browser: Browser, tmp_path: Path) -> None:
    write_labelled_folder(tmp_path, "colors", {"night": 5, "grass": 4})
    with (
        served_site(tmp_path, DUET_EMBEDDED_WORKER="0") as service,
        visiting(browser, service.url, size=NARROW) as visit,
    ):
        page = visit.open("/ui/jobs?data")
        sign_in(page, JOBS_KEY)
        colors = page.locator(".data-list > li").filter(has_text="colors")
        colors.get_by_role("button", name="Delete colors…").click()
        dialog = page.get_by_role("dialog", name="Delete colors")
        expect(dialog.get_by_text("9 images of 2 classes are deleted permanently.")).to_be_visible()
        dialog.get_by_role("button", name="Delete").click()
        expect(dialog.get_by_text("Enter a reason")).to_be_visible()
        assert_accessible(page)
        assert_fits(page)
        dialog.get_by_label("Reason").fill("wrong labels")
        dialog.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("colors is deleted.")).to_be_visible()
        expect(colors).to_have_count(0)
    assert not (tmp_path / "datasets" / "colors").exists()
    assert [(entry.name, entry.reason) for entry in deletions(tmp_path)] == [("colors", "wrong labels")]

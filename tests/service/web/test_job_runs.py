"""Trainings from the command line on the jobs page, and curves of several trainings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, Page, expect

from core.jobs.run_folder import LOCK_NAME, PUBLISHED_NAME
from tests.support.browser import (
    NARROW,
    WIDE,
    Scheme,
    assert_accessible,
    assert_fits,
    layout_shift,
    needs_chromium,
    visiting,
)
from tests.support.run_folders import write_history, write_run
from tests.support.training_site import TrainingSite, training_site

pytestmark = [pytest.mark.browser, needs_chromium]
CELLS = """(title) => {
  const figures = [...document.querySelectorAll('figure.chart')];
  const figure = figures.find((each) => each.querySelector('figcaption').textContent === title);
  return [...figure.querySelectorAll('tr')].map((row) => [...row.children].map((cell) => cell.textContent));
}"""
"""Table of the chart with this title, with its head."""

FOUR_CHARTS = "() => document.querySelectorAll('figure.chart').length === 4"


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingSite]:
    with training_site(tmp_path_factory.mktemp("site")) as site:
        yield site


def curve(page: Page, title: str) -> list[list[str]]:
    cells: list[list[str]] = page.evaluate(CELLS, title)
    return cells


@pytest.mark.smoke
@pytest.mark.parametrize(("size", "scheme"), [pytest.param(NARROW, "dark", marks=pytest.mark.full), (WIDE, "light")])
def test_runs_of_the_command_line_are_listed_and_followed(
    browser: Browser, trainings: TrainingSite, size: tuple[int, int], scheme: Scheme
) -> None:
    folder = write_run(trainings.home, "my-run", [0.5, 0.6], recipe="mlp_best", family="mlp")
    (folder / PUBLISHED_NAME).unlink(missing_ok=True)
    with visiting(browser, trainings.url, size=size, scheme=scheme) as visit, FileLock(folder / LOCK_NAME) as lock:
        page = visit.open("/ui/jobs")
        row = page.locator(".job-row", has_text="my-run")
        expect(row).to_contain_text("Command line, on cifar10, as mlp")
        expect(row.locator(".badge")).to_have_text("Running")
        expect(row).to_contain_text("epoch 2 of 4 · accuracy 60.0 % · 5 min")
        expect(row).to_contain_text("left")
        page.get_by_label("Kind").select_option("evaluate")
        expect(row).to_have_count(0)
        page.get_by_label("Kind").select_option("run")
        expect(row).to_have_count(1)
        assert_accessible(page)
        assert_fits(page)
        row.get_by_role("link").click()
        page.wait_for_url("**/ui/jobs?run=my-run")
        expect(page.get_by_role("heading", level=1)).to_have_text("Jobs / mlp_best")
        expect(page.locator(".job-head")).to_contain_text("epoch 2 of 4 · accuracy 60.0 %")
        assert curve(page, "Loss")[1:] == [["1", "0.450", "0.500", ""], ["2", "0.350", "0.400", ""]]
        expect(page.locator("main").get_by_role("button")).to_have_count(0)
        write_history(folder, [0.5, 0.6, 0.7])
        expect(page.locator(".job-head")).to_contain_text("epoch 3 of 4 · accuracy 70.0 %")
        assert_accessible(page)
        assert_fits(page)
        lock.release()
        expect(page.locator(".job-head .badge")).to_have_text("Interrupted")
        expect(page.locator(".notice")).to_contain_text("Repeat the command with --resume")
        (folder / PUBLISHED_NAME).write_text("mlp@1\n")
        page.reload()
        expect(page.locator(".notice")).to_contain_text("Published mlp@1.")
        assert layout_shift(page) < 0.1


def test_unknown_run_shows_an_error(browser: Browser, trainings: TrainingSite) -> None:
    with visiting(browser, trainings.url) as visit:
        visit.expect("status of 404")
        page = visit.open("/ui/jobs?run=no-such-run")
        expect(page.get_by_role("alert")).to_contain_text("no-such-run")


@pytest.mark.smoke
def test_curves_of_ticked_trainings_are_drawn_together(browser: Browser, trainings: TrainingSite) -> None:
    write_run(trainings.home, "first", [0.5, 0.6], started_ago=timedelta(minutes=50))
    folder = write_run(trainings.home, "without-validation", [0.55], recipe="cnn_best", validation=False)
    write_run(trainings.home, "not-begun", [], recipe="cnn_best")
    job, pace = trainings.start(overrides={"epochs": 3}, recipe="mlp_best")
    pace.epoch(1, 3, loss=0.8, accuracy=0.5)
    trainings.wait(job, "running")
    write_history(trainings.home / "runs" / job, [0.4, 0.45, 0.47])
    with visiting(browser, trainings.url) as visit, FileLock(folder / LOCK_NAME):
        page = visit.open("/ui/jobs")
        compare = page.locator(".list-tools").get_by_text("Compare curves")
        expect(compare).to_have_attribute("aria-disabled", "true")
        expect(page.locator(".job-row", has_text="not-begun").get_by_role("checkbox")).to_have_count(0)
        page.locator(".job-row", has_text="run first").get_by_role("checkbox").check()
        expect(compare).to_have_attribute("aria-disabled", "true")
        page.locator(".job-row", has_text="without-validation").get_by_role("checkbox").check()
        page.locator(".job-row", has_text="mlp_best").filter(has_text="Training, on cifar10").get_by_role(
            "checkbox"
        ).check()
        expect(compare).to_have_text("Compare curves (3)")
        assert_accessible(page)
        page.wait_for_timeout(2000)  # a refresh keeps the ticks
        expect(page.get_by_role("checkbox", checked=True)).to_have_count(3)
        compare.click()
        page.wait_for_url("**/ui/jobs?curves=*")
        expect(page.get_by_role("heading", level=1)).to_have_text("Jobs / Curves")
        seed = f"mlp_best, seed {pace.seed}"
        page.wait_for_function(FOUR_CHARTS)
        assert curve(page, "Validation accuracy") == [
            ["Epoch", "cnn_fast, seed 3", "cnn_best, seed 3", seed],
            ["1", "50.0 %", "", "40.0 %"],
            ["2", "60.0 %", "", "45.0 %"],
            ["3", "", "", "47.0 %"],
        ]
        assert [row[2] for row in curve(page, "Training loss")] == ["cnn_best, seed 3", "0.400", "", ""]
        table = page.locator(".overlay-table")
        expect(table.get_by_role("row", name=seed)).to_contain_text("3 of 3")
        expect(table.get_by_role("row", name=seed)).to_contain_text("epochs 3")
        expect(table.get_by_role("row", name="cnn_best")).to_contain_text("57.00 % (training)")
        write_history(folder, [0.55, 0.65], validation=False)
        expect(table.get_by_role("row", name="cnn_best")).to_contain_text("2 of 4")
        assert [row[2] for row in curve(page, "Training loss")] == ["cnn_best, seed 3", "0.400", "0.300", ""]
        assert_accessible(page)
        table.get_by_role("link", name=seed).click()
        page.wait_for_url(f"**/ui/jobs?job={job}")
    with visiting(browser, trainings.url, size=NARROW, scheme="dark") as visit:
        page = visit.open("/ui/jobs?curves=first,without-validation")
        expect(page.get_by_role("heading", level=1)).to_have_text("Jobs / Curves")
        assert layout_shift(page) < 0.1
        assert_fits(page)
        assert_accessible(page)
    pace.succeed()
    trainings.wait(job, "succeeded")


def test_trainings_of_one_recipe_and_seed_are_distinguished(browser: Browser, trainings: TrainingSite) -> None:
    for number in range(9):
        write_run(trainings.home, f"same-{number}", [0.5], seed=77)
    with visiting(browser, trainings.url) as visit:
        page = visit.open("/ui/jobs?curves=" + ",".join(f"same-{number}" for number in range(9)))
        page.wait_for_function(FOUR_CHARTS)
        head = curve(page, "Training loss")[0]
        assert head[1:] == [f"cnn_fast, seed 77 (same-{number})" for number in range(8)]
        page = visit.open("/ui/jobs")
        for number in range(8):
            page.locator(".job-row", has_text=f"same-{number}").get_by_role("checkbox").check()
        expect(page.locator(".job-row", has_text="same-8").get_by_role("checkbox")).to_be_disabled()

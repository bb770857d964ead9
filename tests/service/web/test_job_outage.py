"""Job page while the service does not answer: it says what is known, and nothing more."""

from __future__ import annotations

import contextlib
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import NARROW, assert_accessible, assert_fits, needs_chromium, visiting
from tests.support.training_site import training_site

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.slow]
LOST = re.compile(
    r"No answer since \d\d:\d\d:\d\d\. This page shows the last known state\. If the job has stopped with the service, "
    r"it resumes from its last checkpoint when the service is back\."
)


def test_killed_service_is_shown_and_the_job_resumes(browser: Browser, tmp_path: Path) -> None:
    with contextlib.ExitStack() as running:
        site = running.enter_context(training_site(tmp_path))
        job, pace = site.start(overrides={"epochs": 4})
        with visiting(browser, site.url, size=NARROW) as visit:
            visit.tolerate("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY")
            page = visit.open(f"/ui/jobs?job={job}")
            page.locator(".job-page:not(.preparing)").wait_for()
            pace.epoch(1, 4, loss=0.8, accuracy=0.6)
            pace.progress(15, 40, 4, loss=0.7)
            head = page.locator(".job-head")
            expect(head).to_contain_text("epoch 2 of 4")
            expect(page.locator(".connection")).to_have_text("Live")
            site.service.process.send_signal(signal.SIGKILL)
            expect(page.locator(".connection")).to_have_text(LOST)
            expect(head.locator(".badge")).to_have_text("Last known: running")
            stopped = head.inner_text()
            page.wait_for_timeout(2500)
            assert head.inner_text() == stopped  # neither time goes on
            assert_accessible(page)
            assert_fits(page)
            running.close()
            pace.forget()
            running.enter_context(training_site(tmp_path, port=site.service.address[1]))
            expect(page.locator(".connection")).to_have_text("Live", timeout=60_000)
            expect(head.locator(".badge")).to_have_text("Running", timeout=60_000)
            pace.epoch(1, 4, loss=0.8, accuracy=0.6)
            pace.succeed()
            expect(head.locator(".badge")).to_have_text("Done", timeout=60_000)


def test_broker_outage_is_shown(browser: Browser, tmp_path: Path) -> None:
    with training_site(tmp_path) as site:
        job, pace = site.start()
        with visiting(browser, site.url) as visit:
            visit.tolerate("status of 503")
            visit.tolerate("ERR_")
            page = visit.open(f"/ui/jobs?job={job}")
            page.locator(".job-page:not(.preparing)").wait_for()
            expect(page.locator(".connection")).to_have_text("Live")
            answer = {"status": 503, "json": {"detail": "the job broker does not respond"}}
            page.route(re.compile(f"/jobs/{job}"), lambda route: route.fulfill(**answer))
            page.context.set_offline(True)
            page.context.set_offline(False)
            expect(page.locator(".connection")).to_contain_text("the job broker does not respond")
            expect(page.locator(".connection")).to_contain_text("No answer since")
            page.unroute_all()
            expect(page.locator(".connection")).to_have_text("Live")
            pace.succeed()
            site.wait(job, "succeeded")

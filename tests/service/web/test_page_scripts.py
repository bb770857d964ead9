"""Unit tests of page scripts that need a document, run in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from service.api.examples import load_example
from service.web.pages import ASSETS_PATH
from tests.support.browser import Visit, needs_chromium, served_site, sign_in, visiting
from tests.support.service import ServiceProcess, write_home

pytestmark = [pytest.mark.browser, needs_chromium]
FOLLOWED = """(id) => new Promise((done) => {
  const told = [];
  module.follow(id, "0", (at, { event }) => told.push(`${at} ${event}`), (connection) => {
    told.push(connection);
    if (connection === "ended") done(told);
  });
})"""

COVERED = """(id) => new Promise((done) => {
  const told = [];
  const cover = (covered) => { window.covered = covered; document.dispatchEvent(new Event("visibilitychange")); };
  module.follow(id, "0", (at, { event }) => told.push(`${at} ${event}`), (connection) => {
    told.push(connection);
    if (connection === "lost") setTimeout(() => { cover(true); cover(false); });
    if (connection === "ended") done(told);
  });
})"""

UNSEEN = """(id) => new Promise((done) => {
  const told = [];
  window.covered = true;
  module.follow(id, "0", () => {}, (connection) => {
    told.push(connection);
    if (connection === "ended") done(told);
  });
  dispatchEvent(new Event("online"));
  setTimeout(() => {
    told.push("seen");
    window.covered = false;
    document.dispatchEvent(new Event("visibilitychange"));
  }, 200);
})"""

UPLOADED = """async () => {
  const shares = [];
  const pieces = [1, 2].map((number) => ({ label: "a", files: [new File(["x"], `${number}.png`)], bytes: 1 }));
  const { signal } = new AbortController();
  const sent = module.upload("some", { pieces, skipped: [] }, (share) => shares.push(share), signal);
  return [await sent.catch((error) => error.message), shares];
}"""

HIDDEN = "Object.defineProperty(document, 'hidden', { get: () => window.covered ?? false })"
JOBS = [f"{number:032d}" for number in range(250)]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    home = tmp_path_factory.mktemp("home")
    write_home(home)
    environment = {"DUET_SHIPPED_MODELS": str(home / "none"), "DUET_EMBEDDED_BROKER": "0"}
    with served_site(home, port=0, **environment) as service:
        yield service


@pytest.fixture
def visit(browser: Browser, scripts: ServiceProcess) -> Iterator[Visit]:
    with visiting(browser, scripts.url) as begun:
        begun.open("/ui/models")
        yield begun


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


def run(page: Page, script: str, function: str, argument: Any) -> Any:
    """Result of the JavaScript `function` for the argument, with the script as `module`."""
    load = f"const module = await import('{ASSETS_PATH}/any/js/{script}');"
    return page.evaluate(f"async (argument) => {{ {load} return ({function})(argument); }}", argument)


def test_rejected_stream_is_retried_until_the_job_ends(visit: Visit) -> None:
    """Browsers stop reconnecting after an error status, such as 503 while the service starts; the page retries."""
    visit.expect("status of 503")
    visit.expect("status of 429")
    note = 'id: 7-0\ndata: {"event": "note"}\n\n'
    served: list[dict[str, Any]] = [
        {"status": 503},
        {"status": 429},
        {"content_type": "text/event-stream", "body": f"retry: 10\n\n{note}"},
        {"status": 204},
    ]
    left = iter(served)
    job = {"state": "running", "events": "0"}

    def answer(route: Route) -> None:
        fields = next(left)
        job.update({"state": "succeeded", "events": "7-0"} if fields is served[-1] else {})
        route.fulfill(**fields)

    visit.page.route("**/jobs/of-the-test/events?*", answer)
    visit.page.route("**/jobs/of-the-test", lambda route: route.fulfill(json=job))
    told = run(visit.page, "jobs/follow.js", FOLLOWED, "of-the-test")
    assert told == ["connecting", "lost", "live", "7-0 note", "lost", "ended"]
    assert list(left) == []


def test_hidden_page_disconnects_and_resumes(visit: Visit) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url.partition("?")[2])
        event = "finished" if len(asked) > 1 else "note"
        # The first connection would be asked for again in a minute, by itself.
        body = f'retry: 60000\n\nid: {len(asked)}-0\ndata: {{"event": "{event}"}}\n\n'
        route.fulfill(content_type="text/event-stream", body=body)

    visit.page.route("**/jobs/of-the-test/events?*", answer)
    visit.page.route("**/jobs/of-the-test", lambda route: route.fulfill(json={"state": "running", "events": "0"}))
    visit.page.evaluate(HIDDEN)
    told = run(visit.page, "jobs/follow.js", COVERED, "of-the-test")
    assert told == ["connecting", "live", "1-0 note", "lost", "live", "2-0 finished", "ended"]
    assert asked == ["after=0", "after=1-0"]


def test_hidden_page_does_not_connect_when_online(visit: Visit) -> None:
    body = 'id: 1-0\ndata: {"event": "finished"}\n\n'
    visit.page.route(
        "**/jobs/of-the-test/events?*", lambda route: route.fulfill(content_type="text/event-stream", body=body)
    )
    visit.page.evaluate(HIDDEN)
    told = run(visit.page, "jobs/follow.js", UNSEEN, "of-the-test")
    assert told == ["connecting", "seen", "live", "ended"]


def test_older_jobs_are_loaded_page_by_page(visit: Visit) -> None:
    """The service returns pages of 200."""
    limits: list[int] = []

    def answer(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        [limit] = map(int, query["limit"])
        begin = JOBS.index(query["cursor"][0]) + 1 if "cursor" in query else 0
        limits.append(limit)
        end = begin + min(limit, 200)
        jobs = [load_example("job") | {"id": each} for each in JOBS[begin:end]]
        route.fulfill(json={"jobs": jobs, "next_cursor": JOBS[end - 1] if end < len(JOBS) else None})

    visit.page.route(re.compile(r"/jobs\?"), answer)
    page = visit.open("/ui/jobs")
    rows = page.locator(".job-row a")
    older = page.get_by_role("button", name="Show older jobs")
    for count in (20, 60, 100, 140, 180, 220):
        expect(rows).to_have_count(count)
        older.click()
        if count < 220:  # the last page takes the button away
            assert older.evaluate("(button) => button === document.activeElement"), "it keeps the focus"
    expect(rows).to_have_count(250)
    assert [row.partition("job=")[2] for row in rows.evaluate_all("(all) => all.map((one) => one.search)")] == JOBS
    expect(older).to_be_hidden()
    assert max(limits) <= 200


def test_upload_progress_ends_at_one(visit: Visit) -> None:
    visit.expect("status of 422")
    sign_in(visit.page)
    said, shares = run(visit.page, "jobs/upload.js", UPLOADED, None)
    assert "none of 1 files can be added" in said
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_cost_ratios_are_formatted(page: Page) -> None:
    def side(name: str, parameters: int) -> dict[str, Any]:
        cost = {"parameters": parameters, "macs": 1e6, "training_seconds": 60, "epochs": 1}
        place = {"environment": {"threads": 1, "cpu": "a processor"}, "latency": None, "quantization": None}
        return {"name": name, "kind": "plain", "model": {"cost": cost, "files": {}, "served_bytes": 1, **place}}

    draw = "(sides) => [...module.cost({}, sides).querySelectorAll('td:last-child')].map((cell) => cell.textContent)"
    for factor, written in ((0.5, "0.50×"), (41.3, "41×"), (99.7, "100×"), (250, "250×")):
        sides = [side("mlp@1", 10_000), side("cnn@1", round(10_000 * factor))]
        assert run(page, "comparison/cost.js", draw, sides)[0] == written


def test_soft_labels_of_a_teacher_are_a_cost(page: Page) -> None:
    def side(name: str, teacher: float | None) -> dict[str, Any]:
        cost = {"parameters": 1, "macs": 1e6, "training_seconds": 60, "teacher_seconds": teacher, "epochs": 1}
        place = {"environment": {"threads": 1, "cpu": "a processor"}, "latency": None, "quantization": None}
        return {"name": name, "kind": "plain", "model": {"cost": cost, "files": {}, "served_bytes": 1, **place}}

    draw = "(sides) => [...module.cost({}, sides).querySelectorAll('tr')].map((row) => row.textContent)"
    taught = run(page, "comparison/cost.js", draw, [side("mlp@1", 120), side("cnn@1", None)])
    assert [row for row in taught if "teacher" in row] == ["Soft labels of the teacher2 min 0 s–"]
    untaught = run(page, "comparison/cost.js", draw, [side("mlp@1", None), side("cnn@1", None)])
    assert not [row for row in untaught if "teacher" in row]

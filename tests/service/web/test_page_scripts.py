"""Unit tests of page scripts, run in a browser without a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from service.api.examples import load_example
from service.api.routes.train import RECIPE_LIST
from service.web.pages import ASSETS_PATH
from tests.support.browser import Visit, needs_chromium, served_site, sign_in, visiting
from tests.support.service import ServiceProcess, write_home

pytestmark = [pytest.mark.browser, needs_chromium]
FIELDS = """({ schema, config }) => {
  const groups = module.groupsOf(schema, config, new Set(["recipe", "seed", "init_from"]));
  return Object.fromEntries(groups.flatMap(({ fields }) => fields.map((field) => [field.path, field])));
}"""
TAKEN = """(events) => {
  const story = new module.JobStory();
  const taken = events.map(([id, event]) => story.take(id, event));
  const epochs = story.epochs.map(({ epoch, trainLoss }) => [epoch, trainLoss]);
  return { taken, epochs, tip: story.tip, last: story.last };
}"""

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


def fields(page: Page, recipe: str) -> dict[str, Any]:
    listed = RECIPE_LIST.model_dump(mode="json")
    [config] = [one["config"] for one in listed["recipes"] if one["name"] == recipe]
    found: dict[str, Any] = run(page, "jobs/schema.js", FIELDS, {"schema": listed["config_schema"], "config": config})
    return found


def test_settings_of_recipes_become_fields_with_their_values(page: Page) -> None:
    for recipe in RECIPE_LIST.recipes:
        config = recipe.config.model_dump(mode="json")
        expected = {
            (f"{name}.{inner}" if isinstance(value, dict) else name): (
                value[inner] if isinstance(value, dict) else value
            )
            for name, value in config.items()
            for inner in (value if isinstance(value, dict) else [name])
        }
        for left_out in ("recipe", "seed", "init_from", "network.kind"):
            del expected[left_out]
        assert {path: field["value"] for path, field in fields(page, recipe.name).items()} == expected


def test_field_has_kind_range_and_help_of_its_setting(page: Page) -> None:
    found = fields(page, "cnn_baseline")
    assert (found["epochs"]["kind"], found["epochs"]["minimum"], found["epochs"]["maximum"]) == ("integer", 1, 10_000)
    assert found["epochs"]["help"] == "1 to 10,000."
    assert found["optimization.optimizer"]["choices"] == ["adam", "adamw", "sgd", "muon"]
    assert found["network.channels"]["kind"] == "list"
    assert found["augmentation.flip"]["kind"] == "boolean"
    assert (found["image_size"]["kind"], found["image_size"]["optional"]) == ("integer", True)
    assert "empty: that of init_from" in found["image_size"]["help"]
    assert found["network.dropout"]["help"] == "Share of dense units dropped in training. 0 or more, below 1."
    assert found["optimization.learning_rate"]["help"] == "Peak learning rate. Above 0."
    assert found["optimization.loss"]["help"] == "mse compares softmax with one-hot labels."
    assert "blocks" not in " ".join(path for path in found if path.startswith("network"))


def event(kind: str, **values: Any) -> dict[str, Any]:
    return {"event": kind, "at": "2026-01-02T03:04:05Z", "attempt": 1, "token": 1, **values}


def epoch(number: int, loss: float, *, token: int = 1) -> dict[str, Any]:
    return event(
        "epoch", epoch=number, epochs=4, train_loss=loss, train_accuracy=0.5, validation_loss=None,
        validation_accuracy=None, seconds=1.0, token=token,
    )  # fmt: skip


def progress(step: int) -> dict[str, Any]:
    return event("progress", epoch=1, epochs=4, step=step, steps=40, loss=0.7, accuracy=0.5)


def test_repeated_and_late_events_are_ignored(page: Page) -> None:
    events = [["9-0", epoch(1, 0.9)], ["10-1", epoch(2, 0.8)], ["10-0", epoch(1, 0.1)], ["9-0", epoch(1, 0.2)]]
    story = run(page, "jobs/curves.js", TAKEN, events)
    assert story["taken"] == [True, True, False, False]
    assert (story["epochs"], story["last"]) == ([[1, 0.9], [2, 0.8]], "10-1")


def test_resumed_attempt_keeps_its_epochs(page: Page) -> None:
    first = [["1-0", epoch(1, 0.9)], ["2-0", epoch(2, 0.8)], ["3-0", epoch(3, 0.7)]]
    resumed = run(
        page, "jobs/curves.js", TAKEN, [*first, ["4-0", epoch(3, 0.6, token=2)], ["5-0", epoch(4, 0.5, token=2)]]
    )
    assert resumed["epochs"] == [[1, 0.9], [2, 0.8], [3, 0.6], [4, 0.5]]
    anew = run(page, "jobs/curves.js", TAKEN, [*first, ["4-0", epoch(1, 0.4, token=2)]])
    assert anew["epochs"] == [[1, 0.4]]


def test_running_epoch_is_replaced_by_the_finished_one(page: Page) -> None:
    running = run(page, "jobs/curves.js", TAKEN, [["1-0", epoch(1, 0.9)], ["2-0", progress(15)]])
    assert running["tip"] == {"epoch": 1.5, "loss": 0.7, "accuracy": 0.5}
    assert run(page, "jobs/curves.js", TAKEN, [["1-0", progress(10)], ["2-0", epoch(1, 0.9)]])["tip"] is None
    # The last step of an epoch may be told after its figures.
    assert run(page, "jobs/curves.js", TAKEN, [["1-0", epoch(1, 0.9)], ["2-0", progress(10)]])["tip"] is None
    last = event("progress", epoch=7, epochs=25, step=7, steps=25, loss=0.7, accuracy=0.5)  # 7 / 25 * 25 > 7
    assert run(page, "jobs/curves.js", TAKEN, [["1-0", epoch(7, 0.9)], ["2-0", last]])["tip"] is None


def test_queued_job_hides_figures_of_its_last_attempt(page: Page) -> None:
    job = {"kind": "train", "progress": {"stage": "fit", "epoch": 3, "epochs": 4, "accuracy": 0.5, "seconds_left": 60}}
    for state, line in (("queued", ""), ("running", "fit · epoch 3 of 4 · accuracy 50.0 % · about 1 min 0 s left")):
        assert run(page, "jobs/describe.js", "(job) => module.lineOf(job)", job | {"state": state}) == line


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


def test_error_without_detail_has_a_message(page: Page) -> None:
    message = "(fields) => new module.ServiceError(502, fields).message"
    assert run(page, "api.js", message, {"detail": ""}) == "The service responded with 502."
    assert run(page, "api.js", message, {"title": "Bad Gateway"}) == "Bad Gateway"
    assert run(page, "api.js", message, {"title": "Bad Gateway", "detail": "it has gone"}) == "it has gone"

"""What the scripts of jobs and models work out, in the small: run in a browser, without a page around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from service.api.recipes import RECIPE_LIST
from service.web.pages import ASSETS_PATH
from tests.support.browser import Visit, needs_chromium, served_site, visiting
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
    if (connection === "reconnecting") setTimeout(() => { cover(true); cover(false); });
    if (connection === "ended") done(told);
  });
})"""


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
    """What `function` makes of the argument, with the script as `module`."""
    load = f"const module = await import('{ASSETS_PATH}/any/js/{script}');"
    return page.evaluate(f"async (argument) => {{ {load} return ({function})(argument); }}", argument)


def fields(page: Page, recipe: str) -> dict[str, Any]:
    listed = RECIPE_LIST.model_dump(mode="json")
    [config] = [one["config"] for one in listed["recipes"] if one["name"] == recipe]
    found: dict[str, Any] = run(page, "jobs/schema.js", FIELDS, {"schema": listed["config_schema"], "config": config})
    return found


def test_every_setting_of_every_recipe_is_a_field_with_its_own_value(page: Page) -> None:
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


def test_a_field_has_the_kind_the_range_and_the_help_of_its_setting(page: Page) -> None:
    found = fields(page, "cnn_baseline")
    assert (found["epochs"]["kind"], found["epochs"]["minimum"], found["epochs"]["maximum"]) == ("integer", 1, 10_000)
    assert found["epochs"]["help"] == "1 to 10,000."
    assert found["optimization.optimizer"]["choices"] == ["adam", "adamw", "sgd", "muon"]
    assert found["network.channels"]["kind"] == "list"
    assert found["augmentation.flip"]["kind"] == "boolean"
    assert (found["image_size"]["kind"], found["image_size"]["optional"]) == ("integer", True)
    assert "empty: that of init_from" in found["image_size"]["help"]
    assert found["network.dropout"]["help"] == "Share of dense units dropped while training. 0 or more, below 1."
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


def test_events_that_come_twice_or_late_change_nothing(page: Page) -> None:
    events = [["9-0", epoch(1, 0.9)], ["10-1", epoch(2, 0.8)], ["10-0", epoch(1, 0.1)], ["9-0", epoch(1, 0.2)]]
    story = run(page, "jobs/curves.js", TAKEN, events)
    assert story["taken"] == [True, True, False, False]
    assert (story["epochs"], story["last"]) == ([[1, 0.9], [2, 0.8]], "10-1")


def test_a_resumed_attempt_goes_on_and_one_that_begins_anew_draws_anew(page: Page) -> None:
    first = [["1-0", epoch(1, 0.9)], ["2-0", epoch(2, 0.8)], ["3-0", epoch(3, 0.7)]]
    resumed = run(
        page, "jobs/curves.js", TAKEN, [*first, ["4-0", epoch(3, 0.6, token=2)], ["5-0", epoch(4, 0.5, token=2)]]
    )
    assert resumed["epochs"] == [[1, 0.9], [2, 0.8], [3, 0.6], [4, 0.5]]
    anew = run(page, "jobs/curves.js", TAKEN, [*first, ["4-0", epoch(1, 0.4, token=2)]])
    assert anew["epochs"] == [[1, 0.4]]


def test_the_running_epoch_stands_where_its_steps_are_and_gives_way_to_the_whole_one(page: Page) -> None:
    running = run(page, "jobs/curves.js", TAKEN, [["1-0", epoch(1, 0.9)], ["2-0", progress(15)]])
    assert running["tip"] == {"epoch": 1.5, "loss": 0.7, "accuracy": 0.5}
    assert run(page, "jobs/curves.js", TAKEN, [["1-0", progress(10)], ["2-0", epoch(1, 0.9)]])["tip"] is None
    # The last step of an epoch may be told after its figures.
    assert run(page, "jobs/curves.js", TAKEN, [["1-0", epoch(1, 0.9)], ["2-0", progress(10)]])["tip"] is None


def test_a_stream_that_is_refused_is_asked_for_again_until_the_job_has_ended(visit: Visit) -> None:
    """What a browser gives up on: a service that is starting answers 503 instead of a stream."""
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
    assert told == ["connecting", "reconnecting", "live", "7-0 note", "reconnecting", "ended"]
    assert list(left) == []


def test_a_page_that_nobody_sees_holds_no_connection_and_goes_on_where_it_was(visit: Visit) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url.partition("?")[2])
        event = "finished" if len(asked) > 1 else "note"
        # The first connection would be asked for again in a minute, by itself.
        body = f'retry: 60000\n\nid: {len(asked)}-0\ndata: {{"event": "{event}"}}\n\n'
        route.fulfill(content_type="text/event-stream", body=body)

    visit.page.route("**/jobs/of-the-test/events?*", answer)
    visit.page.evaluate("Object.defineProperty(document, 'hidden', { get: () => window.covered ?? false })")
    told = run(visit.page, "jobs/follow.js", COVERED, "of-the-test")
    assert told == ["connecting", "live", "1-0 note", "reconnecting", "connecting", "live", "2-0 finished", "ended"]
    assert asked == ["after=0", "after=1-0"]

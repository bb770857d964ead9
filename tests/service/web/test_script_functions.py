"""Unit tests of page scripts that need no document, run by node."""

from __future__ import annotations

from typing import Any

import pytest

from service.api.routes.train import RECIPE_LIST
from tests.support.node import needs_node, run_script

pytestmark = needs_node
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


def fields(recipe: str) -> dict[str, Any]:
    listed = RECIPE_LIST.model_dump(mode="json")
    [config] = [one["config"] for one in listed["recipes"] if one["name"] == recipe]
    found: dict[str, Any] = run_script("jobs/schema.js", FIELDS, {"schema": listed["config_schema"], "config": config})
    return found


def test_settings_of_recipes_become_fields_with_their_values() -> None:
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
        if recipe.name == "photo":
            del expected["network.design"]  # a constant
        assert {path: field["value"] for path, field in fields(recipe.name).items()} == expected


def test_field_has_kind_range_and_help_of_its_setting() -> None:
    found = fields("cnn_baseline")
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


def test_repeated_and_late_events_are_ignored() -> None:
    events = [["9-0", epoch(1, 0.9)], ["10-1", epoch(2, 0.8)], ["10-0", epoch(1, 0.1)], ["9-0", epoch(1, 0.2)]]
    story = run_script("jobs/curves.js", TAKEN, events)
    assert story["taken"] == [True, True, False, False]
    assert (story["epochs"], story["last"]) == ([[1, 0.9], [2, 0.8]], "10-1")


def test_resumed_attempt_keeps_its_epochs() -> None:
    first = [["1-0", epoch(1, 0.9)], ["2-0", epoch(2, 0.8)], ["3-0", epoch(3, 0.7)]]
    resumed = run_script(
        "jobs/curves.js", TAKEN, [*first, ["4-0", epoch(3, 0.6, token=2)], ["5-0", epoch(4, 0.5, token=2)]]
    )
    assert resumed["epochs"] == [[1, 0.9], [2, 0.8], [3, 0.6], [4, 0.5]]
    anew = run_script("jobs/curves.js", TAKEN, [*first, ["4-0", epoch(1, 0.4, token=2)]])
    assert anew["epochs"] == [[1, 0.4]]


def test_running_epoch_is_replaced_by_the_finished_one() -> None:
    running = run_script("jobs/curves.js", TAKEN, [["1-0", epoch(1, 0.9)], ["2-0", progress(15)]])
    assert running["tip"] == {"epoch": 1.5, "loss": 0.7, "accuracy": 0.5}
    assert run_script("jobs/curves.js", TAKEN, [["1-0", progress(10)], ["2-0", epoch(1, 0.9)]])["tip"] is None
    # The last step of an epoch may be told after its figures.
    assert run_script("jobs/curves.js", TAKEN, [["1-0", epoch(1, 0.9)], ["2-0", progress(10)]])["tip"] is None
    last = event("progress", epoch=7, epochs=25, step=7, steps=25, loss=0.7, accuracy=0.5)  # 7 / 25 * 25 > 7
    assert run_script("jobs/curves.js", TAKEN, [["1-0", epoch(7, 0.9)], ["2-0", last]])["tip"] is None


def test_queued_job_hides_figures_of_its_last_attempt() -> None:
    job = {"kind": "train", "progress": {"stage": "fit", "epoch": 3, "epochs": 4, "accuracy": 0.5, "seconds_left": 60}}
    for state, line in (("queued", ""), ("running", "fit · epoch 3 of 4 · accuracy 50.0 % · about 1 min 0 s left")):
        assert run_script("jobs/describe.js", "(job) => module.lineOf(job)", job | {"state": state}) == line


def test_error_without_detail_has_a_message() -> None:
    message = "(fields) => new module.ServiceError(502, fields).message"
    assert run_script("api.js", message, {"detail": ""}) == "The service responded with 502."
    assert run_script("api.js", message, {"title": "Bad Gateway"}) == "Bad Gateway"
    assert run_script("api.js", message, {"title": "Bad Gateway", "detail": "it has gone"}) == "it has gone"


def test_shares_never_round_to_none_or_all() -> None:
    written = run_script(
        "format.js", "(shares) => shares.map((share) => module.percent(share))", [0, 1e-5, 0.9137, 0.99999, 1]
    )
    assert written == ["0.0 %", "< 0.1 %", "91.4 %", "> 99.9 %", "100.0 %"]


def test_points_have_a_sign_unless_they_round_to_zero() -> None:
    written = run_script("format.js", "(shares) => shares.map((share) => module.points(share))", [-0.302, 0.0004, 0.05])
    assert written == ["\u221230.2", "0.0", "+5.0"]


def test_times_and_sizes_have_fitting_units() -> None:
    written = run_script("format.js", "(times) => times.map(module.milliseconds)", [3.42, 20.4, 1520])
    assert written == ["3.4 ms", "20 ms", "1.52 s"]
    written = run_script("parts/size.js", "(sizes) => sizes.map(module.bytes)", [12, 6_400_000, 170_000_000])
    assert written == ["12 bytes", "6.4 MB", "170 MB"]
    written = run_script("parts/when.js", "(times) => times.map(module.duration)", [59.6, 93, 5400])
    assert written == ["1 min 0 s", "1 min 33 s", "1 h 30 min"]


def test_counted_words_are_plural_unless_one() -> None:
    count = "() => [module.counted('image', 1), module.counted('image', 2000), module.counted('class', 2, 'classes')]"
    assert run_script("parts/size.js", count, None) == ["1 image", "2,000 images", "2 classes"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(59, "just now"), (180, "3 minutes ago"), (86_400, "yesterday"), (40 * 86_400, "31 Jan 2026")]
)
def test_old_times_are_dates(seconds: int, text: str) -> None:
    read = f"(time) => module.agoText(time, Date.parse(time) + {seconds * 1000})"
    assert run_script("parts/when.js", read, "2026-01-31T12:00:00Z") == text


@pytest.mark.parametrize(
    ("kind", "parameters", "title", "subtitle"),
    [
        ("download", {}, "CIFAR-10", "Download of a data set"),
        ("evaluate", {"versions": [], "data": "cifar10"}, "Evaluate all champions", "Evaluation, on cifar10"),
        (
            "train",
            {"recipe": "cnn_fast", "data": "pets", "family": "pets", "overrides": {"epochs": 3}},
            "cnn_fast",
            "Training, on pets, as pets, 1 setting changed",
        ),
    ],
)
def test_job_has_title_and_subtitle(kind: str, parameters: dict[str, Any], title: str, subtitle: str) -> None:
    describe = "(job) => [module.titleOf(job), module.subtitleOf(job)]"
    assert run_script("jobs/describe.js", describe, {"kind": kind, "parameters": parameters}) == [title, subtitle]


def test_succeeded_jobs_are_described_by_their_result() -> None:
    lines = "(jobs) => jobs.map((job) => module.lineOf(job))"
    trained = {"reference": "cnn@5", "test_accuracy": 0.9486, "promoted": False}
    evaluated = {"evaluations": [{"reference": "mlp@4", "accuracy": {"fp32": 0.78836}}]}
    jobs = [
        {"state": "succeeded", "kind": "train", "result": trained},
        {"state": "succeeded", "kind": "evaluate", "result": evaluated},
        {"state": "failed", "kind": "train", "error": {"message": "the disk is full"}},
        {"state": "cancelled", "kind": "train", "progress": {"stage": "fit"}},
    ]
    assert run_script("jobs/describe.js", lines, jobs) == [
        "Published cnn@5 \u00b7 94.86 % test accuracy \u00b7 not promoted", "mlp@4: 78.84 %", "the disk is full", "",
    ]  # fmt: skip


def test_share_of_steps_is_at_most_one() -> None:
    jobs = [
        {"state": "succeeded"},
        {"state": "running", "progress": {"step": 3, "steps": 4}},
        {"state": "running", "progress": {"step": 5, "steps": 4}},
        {"state": "running", "progress": None},
    ]
    assert run_script("jobs/describe.js", "(jobs) => jobs.map(module.shareOf)", jobs) == [1, 0.75, 1, None]


def test_second_version_of_one_architecture_is_gray() -> None:
    sides = "(data) => module.sidesOf(data).map((side) => [side.name, module.colorOf(side)])"
    cnn, mlp = ({"model": name, "version": 1, "architecture": name} for name in ("cnn", "mlp"))
    assert run_script("comparison/sides.js", sides, {"first": mlp, "second": cnn}) == [
        ["mlp@1", "--mlp"], ["cnn@1", "--cnn"],
    ]  # fmt: skip
    assert run_script("comparison/sides.js", sides, {"first": cnn, "second": cnn})[1] == ["cnn@1", "--muted"]


@pytest.mark.parametrize(
    ("search", "kept"),
    [
        ("", ""),
        ("?families=cnn,mlp&models=cnn%402&method=saliency&target=cat&strength=80&sample=7", None),
        ("?models=cnn%40x,mlp&method=none&strength=101&sample=-1", ""),
    ],
)
def test_playground_link_keeps_valid_settings(search: str, kept: str | None) -> None:
    link = "() => decodeURIComponent(module.queryOf(module.readSettings()))"
    expected = search.replace("%40", "@") if kept is None else kept
    assert run_script("playground/settings.js", link, None, search=search) == expected

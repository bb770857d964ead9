"""Shadow trials in a running app: comparison, labels, verdict, promotion and the reasons that end a trial."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.gate import costs
from core.repository.champions import history
from core.schemas.shadow import ShadowTrial
from core.trials.records import Trial
from core.trials.store import TrialStore
from service.traffic.reader import TrafficReader
from tests.support.holdouts import write_judged_version
from tests.support.onnx_models import gray_png, write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, set_champions, settings_for, until, write_home

ADMIN = {"x-api-key": "a" * 16}
FEEDBACK = {"x-api-key": "f" * 16}


def settings(home: Path, **changes: Any) -> Any:
    keys = f"admin:{'a' * 16},jobs:{'j' * 16},feedback:{'f' * 16}"
    return settings_for(home, **({"api_keys": keys} | changes))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """cnn@1 is champion; cnn@2 is inverted, so that it gives another answer to black and white."""
    models = write_home(tmp_path)
    write_onnx_version(models / "cnn" / "2", "cnn", 2, inverted=True)
    return tmp_path


@pytest.fixture
def judged_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As `home`, with a holdout on which cnn@2 is more accurate, and cnn@3 is not."""
    monkeypatch.setattr(costs, "CPU_SECONDS", 0.02)
    models = write_home(tmp_path)
    write_judged_version(models, 1, wrong=10)
    write_judged_version(models, 2, wrong=2, inverted=True)
    write_judged_version(models, 3, wrong=10, inverted=True)
    return tmp_path


async def post(app: RunningApp, path: str = "/models/cnn/shadow", **body: Any) -> Any:
    return await app.client.post(path, json=body or None, headers=ADMIN)


async def start(app: RunningApp, **plan: Any) -> ShadowTrial:
    response = await post(app, **({"version": 2, "share": 1.0, "label_budget": 100} | plan))
    assert response.status_code == 200, response.text
    return ShadowTrial.model_validate_json(response.content)


async def trial_of(app: RunningApp) -> ShadowTrial:
    response = await app.client.get("/models/cnn/shadow")
    assert response.status_code == 200, response.text
    return ShadowTrial.model_validate_json(response.content)


async def predict(app: RunningApp, gray: int, request_id: str) -> str:
    headers = {"content-type": "image/png", "x-request-id": request_id}
    response = await app.client.post("/predict", content=gray_png(gray), headers=headers)
    assert response.status_code == 200, response.text
    return str(response.json()["predictions"][0]["label"])


async def compare(app: RunningApp, home: Path, pictures: int) -> None:
    """Send black and white pictures, until all are compared and stored."""
    for number in range(pictures):
        assert await predict(app, 255 * (number % 2), f"r{number}") == ("white" if number % 2 else "black")

    async def are_stored() -> bool:
        return len(list(TrafficReader(home).read_all())) == pictures

    await until(are_stored)


async def label(app: RunningApp, pictures: int, *, challenger_is_right: bool = True) -> None:
    """Send the classes of the pictures of `compare` as feedback; the challenger sees black as white."""
    classes = ("white", "black") if challenger_is_right else ("black", "white")
    labels = [{"id": f"r{number}", "label": classes[number % 2]} for number in range(pictures)]
    response = await app.client.post("/feedback", json={"labels": labels}, headers=FEEDBACK)
    assert response.json()["stored"] == pictures, response.text


async def ended(app: RunningApp) -> ShadowTrial:
    async def has_ended() -> bool:
        return not (await trial_of(app)).running

    await until(has_ended)
    return await trial_of(app)


async def test_disagreements_are_stored_with_both_answers_and_agreements_are_counted(home: Path) -> None:
    async with running_app(settings(home)) as app:
        begun = await start(app)
        assert (begun.running, begun.champion, begun.challenger, begun.result.counts.compared) == (True, 1, 2, 0)
        await compare(app, home, 4)
        assert await predict(app, 128, "same") == "grey"  # cnn@2 sees gray as gray too

        async def are_compared() -> bool:
            return (await trial_of(app)).result.counts.compared == 5

        await until(are_compared)
        counts = (await trial_of(app)).result.counts
        assert (counts.agreements, counts.disagreements, counts.labelled) == (1, 4, 0)
        text = (await app.client.get("/metrics")).text
        assert 'duet_shadow_images{challenger="2",champion="1",model="cnn",outcome="agreement"} 1.0' in text
        assert 'duet_shadow_running{challenger="2",champion="1",model="cnn"} 1.0' in text
    records = list(TrafficReader(home).read_all())
    assert sorted(record.id for record in records) == ["r0", "r1", "r2", "r3"]
    for record in records:
        assert (record.origin, record.trial, record.inclusion_probability) == ("trial", begun.id, 1.0)
        given, other = record.answers
        assert (given.reference, given.in_response) == ("cnn@1", True)
        assert (other.reference, other.in_response) == ("cnn@2", False)
        assert given.label != other.label


async def test_verdict_ends_the_trial_at_the_deciding_label(home: Path) -> None:
    async with running_app(settings(home)) as app:
        await start(app, use_feedback=True)
        await compare(app, home, 20)
        await label(app, 20)
        trial = await ended(app)
        assert trial.end is not None
        assert (trial.end.reason, trial.end.by) == ("verdict", "duet")
        assert trial.end.note == "cnn@2 is more accurate than cnn@1"
        assert trial.result.verdict == "challenger_better"
        assert trial.result.counts.challenger_right == 15  # as the simulation: 15 wins of 15
        assert trial.result.counts.unlabelled == 5
        assert trial.promotion is None
        assert app.state["engine"].observers == ()
        assert not app.state["shadow"].is_running
        text = (await app.client.get("/metrics")).text
        assert 'duet_shadow_running{challenger="2",champion="1",model="cnn"} 0.0' in text


async def test_feedback_does_not_count_unless_the_trial_says_so(home: Path) -> None:
    async with running_app(settings(home)) as app:
        await start(app)
        await compare(app, home, 4)
        await label(app, 4)
        trial = await trial_of(app)
        assert (trial.result.counts.labelled, trial.labels_left) == (0, 100)


async def test_label_budget_ends_the_trial_without_a_verdict(home: Path) -> None:
    async with running_app(settings(home)) as app:
        await start(app, use_feedback=True, label_budget=10)
        await compare(app, home, 12)
        await label(app, 12)
        trial = await ended(app)
        assert trial.end is not None
        assert (trial.end.reason, trial.result.verdict) == ("label_budget", "undecided")
        assert (trial.result.counts.labelled, trial.labels_left) == (10, 0)


async def test_request_ends_the_trial_and_a_second_one_changes_nothing(home: Path) -> None:
    async with running_app(settings(home)) as app:
        begun = await start(app)
        first = await post(app, "/models/cnn/shadow/end", reason="too slow")
        assert first.json()["end"]["note"] == "too slow"
        assert first.json()["end"]["reason"] == "request"
        assert (await post(app, "/models/cnn/shadow/end")).json() == first.json()
        assert (await start(app)).id != begun.id


async def test_time_ends_the_trial_also_if_no_process_ran_meanwhile(home: Path) -> None:
    async with running_app(settings(home)) as app:
        begun = await start(app)
    request = home / "trials" / begun.id / "request.json"
    trial = Trial.model_validate_json(request.read_bytes())
    past = datetime.now(UTC) - timedelta(days=20)
    request.write_text(trial.model_copy(update={"started_at": past}).model_dump_json(), encoding="utf-8")
    async with running_app(settings(home)) as app:
        found = await ended(app)
        assert found.end is not None
        assert (found.end.reason, found.end.note) == ("time", "14 days have passed")


async def test_new_champion_ends_the_trial(home: Path) -> None:
    async with running_app(settings(home)) as app:
        await start(app)
        set_champions(home / "models", cnn=2, mlp=1)
        trial = await ended(app)
        assert trial.end is not None
        assert (trial.end.reason, trial.end.note) == ("champion_changed", "cnn has the champion cnn@2 now")


async def test_challenger_is_kept_from_deletion_and_its_loss_ends_the_trial(home: Path) -> None:
    async with running_app(settings(home)) as app:
        begun = await start(app)
        refused = await app.client.delete("/models/cnn/versions/2", headers=ADMIN)
        assert_problem(refused, 409, "trial-running")
        assert begun.id in refused.json()["detail"]
        (home / "models" / "cnn" / "2").rename(home / "away")
        trial = await ended(app)
        assert trial.end is not None
        assert (trial.end.reason, trial.end.note) == ("challenger_deleted", "cnn@2 was deleted")


async def test_verdict_promotes_through_the_gate_with_the_trial_in_the_trail(judged_home: Path) -> None:
    async with running_app(settings(judged_home)) as app:
        begun = await start(app, use_feedback=True, promote=True)
        await compare(app, judged_home, 20)
        await label(app, 20)

        async def is_promoted() -> bool:
            return (await trial_of(app)).promotion is not None

        await until(is_promoted)
        trial = await trial_of(app)
        [entry] = history(app.state["repository"])
        assert trial.promotion is not None
        assert (trial.promotion.promoted, trial.promotion.entry) == (True, entry.entry)
        assert (entry.from_version, entry.to_version, entry.actor) == (1, 2, begun.started_by)
        assert entry.reason == f"shadow trial {begun.id}: cnn@2 is more accurate than cnn@1"
        assert entry.evidence is not None
        assert entry.evidence["gate"]["passed"]
        assert entry.evidence["trial"]["id"] == begun.id
        assert entry.evidence["trial"]["result"]["verdict"] == "challenger_better"
        assert entry.evidence["trial"]["result"]["counts"]["challenger_right"] == 15
        assert await predict(app, 0, "later") == "white"  # by cnn@2
        page = (await app.client.get("/models/cnn/promotions")).json()
        assert page["promotions"][0]["evidence"]["trial"]["end_reason"] == "verdict"


async def test_gate_may_refuse_the_promotion_and_force_keeps_the_trial(judged_home: Path) -> None:
    async with running_app(settings(judged_home)) as app:
        begun = await start(app, version=3, use_feedback=True, promote=True)
        await compare(app, judged_home, 20)
        await label(app, 20)

        async def is_refused() -> bool:
            return (await trial_of(app)).promotion is not None

        await until(is_refused)
        promotion = (await trial_of(app)).promotion
        assert promotion is not None
        assert not promotion.promoted
        assert "cnn@3 may not replace cnn@1" in promotion.detail
        assert history(app.state["repository"]) == []

        forced = await post(app, "/models/cnn/versions/3/promote", force=True, reason="better on live traffic")
        assert forced.status_code == 200, forced.text
        evidence = forced.json()["promotion"]["evidence"]
        assert (evidence["forced"], evidence["trial"]["id"]) == (True, begun.id)


async def test_champion_that_is_better_is_not_replaced(judged_home: Path) -> None:
    async with running_app(settings(judged_home)) as app:
        await start(app, use_feedback=True, promote=True)
        await compare(app, judged_home, 20)
        await label(app, 20, challenger_is_right=False)
        trial = await ended(app)
        assert trial.result.verdict == "champion_better"
        await app.state["shadow"].poll()
        assert (await trial_of(app)).promotion is None
        assert history(app.state["repository"]) == []


async def test_promotion_that_a_kill_interrupted_is_made_by_the_next_process(judged_home: Path) -> None:
    async with running_app(settings(judged_home)) as app:
        begun = await start(app, use_feedback=True)  # without promotion, so that the end is as a kill leaves it
        await compare(app, judged_home, 20)
        await label(app, 20)
        await ended(app)
    request = judged_home / "trials" / begun.id / "request.json"
    request.write_text(request.read_text(encoding="utf-8").replace('"promote":false', '"promote":true'), "utf-8")
    async with running_app(settings(judged_home)) as app:

        async def is_promoted() -> bool:
            return (await trial_of(app)).promotion is not None

        await until(is_promoted)
        assert [entry.to_version for entry in history(app.state["repository"])] == [2]


async def test_deleted_picture_no_longer_counts_as_labelled(home: Path) -> None:
    async with running_app(settings(home)) as app:
        await start(app, use_feedback=True)
        await compare(app, home, 4)
        await label(app, 4)
        await app.client.delete("/traffic?request_id=r0", headers=ADMIN)
        counts = (await trial_of(app)).result.counts
        assert (counts.labelled, counts.unlabelled, counts.disagreements) == (3, 1, 4)


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({"version": 1}, 409, "trial-not-possible"),
        ({"version": 9}, 404, "unknown-version"),
        ({"share": 0}, 422, "invalid-parameters"),
        ({"label_budget": 3}, 422, "invalid-parameters"),
        ({"max_days": 1000}, 422, "invalid-parameters"),
        ({"promote": "maybe"}, 422, "invalid-parameters"),
    ],
)
async def test_bad_plan_is_refused(home: Path, body: dict[str, Any], status: int, slug: str) -> None:
    async with running_app(settings(home)) as app:
        response = await post(app, **({"version": 2, "share": 0.5, "label_budget": 100} | body))
        assert_problem(response, status, slug)
        assert TrialStore(home).all() == []


async def test_second_trial_and_missing_trials_are_refused(home: Path) -> None:
    async with running_app(settings(home)) as app:
        assert_problem(await app.client.get("/models/cnn/shadow"), 404, "no-trial")
        assert_problem(await post(app, "/models/cnn/shadow/end"), 404, "no-trial")
        assert_problem(await app.client.get("/models/vit/shadow"), 404, "unknown-model")
        await start(app)
        assert_problem(await post(app, version=2, share=0.5, label_budget=100), 409, "trial-running")


async def test_trials_need_the_scope_admin(home: Path) -> None:
    async with running_app(settings(home)) as app:
        for path in ("/models/cnn/shadow", "/models/cnn/shadow/end"):
            assert (await app.client.post(path, json={})).status_code == 401
            assert (await app.client.post(path, json={}, headers=FEEDBACK)).status_code == 403
        assert TrialStore(home).all() == []


async def test_challenger_that_cannot_be_run_is_refused(home: Path) -> None:
    (home / "models" / "cnn" / "2" / "model.onnx").write_bytes(b"damaged")
    async with running_app(settings(home)) as app:
        response = await post(app, version=2, share=0.5, label_budget=100)
        assert_problem(response, 409, "version-refused")
        assert TrialStore(home).all() == []

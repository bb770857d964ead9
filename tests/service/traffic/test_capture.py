"""Capture in a running app: which requests are stored and what of them; off by default; full disk; deletion."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.engine.observer import AnsweredRequest, ModelAnswer
from service.traffic.other_families import OtherFamilies
from service.traffic.reader import TrafficReader
from service.traffic.record import CapturedRequest, traffic_folder
from service.traffic.sample import Sample
from service.traffic.segments import Segment, segment_paths, segments_folder
from tests.support.onnx_models import gray_png, write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, set_champions, settings_for, until, write_home

ADMIN = {"x-api-key": "a" * 16}
PNG = {"content-type": "image/png"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_home(tmp_path)
    return tmp_path


def settings(home: Path, **changes: Any) -> Any:
    return settings_for(home, **({"capture_share": 1.0, "api_keys": f"admin:{'a' * 16},jobs:{'j' * 16}"} | changes))


async def predict(app: RunningApp, gray: int = 0, request_id: str = "one") -> Any:
    response = await app.client.post("/predict", content=gray_png(gray), headers={**PNG, "x-request-id": request_id})
    assert response.status_code == 200, response.text
    return response.json()["predictions"][0]


def stored(home: Path) -> list[CapturedRequest]:
    return list(TrafficReader(home).read_all())


def traffic_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("traffic")]


async def test_capture_is_off_by_default_without_thread_or_file(home: Path) -> None:
    async with running_app(settings_for(home)) as app:
        await predict(app)

        assert app.state["engine"].observers == ()
        assert traffic_threads() == []
        assert (await app.client.get("/readyz")).json()["capture"] is None
    assert not traffic_folder(home).exists()


async def test_predict_is_stored_with_the_answer_of_the_response_and_of_the_other_family(home: Path) -> None:
    async with running_app(settings(home)) as app:
        said = await predict(app, gray=250)

        async def is_stored() -> bool:
            return bool(stored(home))

        await until(is_stored)
        assert sorted(traffic_threads()) == ["traffic", "traffic maintenance"]
    assert traffic_threads() == []
    [record] = stored(home)
    assert (record.id, record.route, record.inclusion_probability) == ("one", "predict", 1.0)
    assert record.upload is None
    assert np.array_equal(record.image, np.full((8, 8, 3), 250, np.uint8))
    given, other = record.answers
    assert (given.reference, given.label, given.in_response) == (f"cnn@{said['version']}", said["label"], True)
    assert list(given.prediction_set) == said["prediction_set"]
    assert given.confidence == pytest.approx(said["probability"], abs=1e-6)
    assert given.energy == pytest.approx(said["out_of_distribution"]["score"], abs=1e-5)
    assert given.flagged == said["out_of_distribution"]["flag"]
    assert (other.reference, other.label, other.in_response) == ("mlp@1", "black", False)  # mlp@1 is inverted


async def test_compare_and_infer_and_several_images_are_stored(home: Path) -> None:
    async with running_app(settings(home, capture_uploads=True)) as app:
        await app.client.post("/compare", content=gray_png(9), headers={**PNG, "x-request-id": "c"})
        files = [("file", ("x.png", gray_png(gray), "image/png")) for gray in (0, 255)]
        await app.client.post("/predict?tta=false", files=files, headers={"x-request-id": "p"})
        raw = bytes(8 * 8 * 3)
        await app.client.post(
            "/v2/models/mlp/infer",
            content=raw,
            headers={"inference-header-content-length": "0", "x-request-id": "i"},
        )
    records = {record.id: record for record in stored(home)}
    assert sorted(records) == ["c", "i", "p~0", "p~1"]
    assert [each.family for each in records["c"].answers] == ["mlp", "cnn"]
    assert all(each.in_response for each in records["c"].answers)
    assert records["c"].upload == gray_png(9)
    assert records["p~1"].upload == gray_png(255)
    assert records["p~1"].answers[0].label == "white"
    assert records["i"].route == "infer"
    assert records["i"].upload is None
    assert records["i"].answers[0].family == "mlp"


async def test_failed_requests_are_not_stored(home: Path) -> None:
    async with running_app(settings(home)) as app:
        assert (await app.client.post("/predict", content=b"no image", headers=PNG)).status_code == 422
    assert stored(home) == []


async def test_share_chooses_requests_at_random(home: Path) -> None:
    async with running_app(settings(home, capture_share=0.5)) as app:
        capture = app.state["capture"]
        assert capture is not None
        capture._random.seed(1)
        for number in range(40):
            await predict(app, request_id=str(number))
    records = stored(home)
    assert 10 <= len(records) <= 30
    assert {record.inclusion_probability for record in records} == {0.5}


async def test_other_families_answer_later_samples_without_time_left(home: Path) -> None:
    async with running_app(settings(home)) as app:
        others = OtherFamilies(app.state["engine"], asyncio.get_running_loop())
        model = app.state["engine"].models.champions["cnn"].default
        image = np.zeros((8, 8, 3), np.uint8)
        outputs = model.queue.run(image[None])
        answered = AnsweredRequest("a", "predict", [image], [], [ModelAnswer(model, outputs, model.calibration)])
        sample = Sample(answered, datetime.now(UTC), 1.0)

        async def families() -> list[list[str]]:
            futures = others.ask([sample, sample])
            return [[each.served.family for each in await asyncio.wrap_future(future)] for future in futures]

        assert await families() == [["mlp"], ["mlp"]]
        others._runs._credit = -1000.0
        assert await families() == [[], []]


async def test_other_family_of_other_classes_does_not_answer(home: Path) -> None:
    write_onnx_version(home / "models" / "mlp" / "2", "mlp", 2, classes=("a", "b", "c", "d", "e"))
    set_champions(home / "models", cnn=1, mlp=2)
    async with running_app(settings(home)) as app:
        await predict(app)
    [record] = stored(home)
    assert [each.family for each in record.answers] == ["cnn"]


async def test_full_disk_stops_capture_only_until_there_is_space(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = threading.Event()
    full.set()
    append = Segment.append

    def refuse(self: Segment, bodies: list[bytes]) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, bodies)

    monkeypatch.setattr(Segment, "append", refuse)
    async with running_app(settings(home)) as app:

        async def reason() -> str | None:
            found: str | None = (await app.client.get("/readyz")).json()["capture"]["reason"]
            return found

        async def has_stopped() -> bool:
            return await reason() == "No space left on device"

        async def works() -> bool:
            await predict(app, request_id="later")
            return await reason() is None

        await predict(app)
        await until(has_stopped)
        assert segment_paths(segments_folder(home)) == []
        assert 'duet_captured_records_total{outcome="failed"} 1.0' in (await app.client.get("/metrics")).text
        app.state["capture"].writer._retry_at = 0.0  # type: ignore[union-attr]
        full.clear()
        await until(works)
    assert {record.id for record in stored(home)} == {"later"}


async def test_admin_deletes_by_request_id(home: Path) -> None:
    async with running_app(settings(home)) as app:
        await predict(app, request_id="keep")
        await predict(app, request_id="drop")
        answered = await app.client.delete("/traffic?request_id=drop", headers=ADMIN)
        assert answered.status_code == 200, answered.text
        assert answered.json()["request_id"] == "drop"
    assert [record.id for record in stored(home)] == ["keep"]


async def test_admin_deletes_by_time(home: Path) -> None:
    async with running_app(settings(home)) as app:
        await predict(app)
        answered = await app.client.delete("/traffic?after=2020-01-01T00:00:00Z", headers=ADMIN)
        assert answered.json()["before"] is not None
    assert stored(home) == []


@pytest.mark.parametrize("query", ["", "?request_id=a&after=2020-01-01T00:00:00Z", "?after=2020-01-01T00:00:00"])
async def test_deletion_needs_an_id_or_a_time_with_zone(home: Path, query: str) -> None:
    async with running_app(settings(home)) as app:
        answered = await app.client.delete(f"/traffic{query}", headers=ADMIN)
        assert_problem(answered, 422, "invalid-parameters")


async def test_deletion_needs_the_scope_admin(home: Path) -> None:
    async with running_app(settings(home)) as app:
        assert (await app.client.delete("/traffic?request_id=a")).status_code == 401
        assert (await app.client.delete("/traffic?request_id=a", headers={"x-api-key": "j" * 16})).status_code == 403

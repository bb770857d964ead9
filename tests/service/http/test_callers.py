"""Callers of predictions: keys, anonymous requests and limits, over a real socket and through the routes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from service.security.key_store import add_key
from service.security.sessions import COOKIE
from tests.support.gates import gated
from tests.support.onnx_models import gray_png
from tests.support.problems import assert_problem
from tests.support.service import listening_app, running_app, settings_for, until
from tests.support.wire import Peer, request

KEYS = f"predict:{'p' * 16},jobs:{'j' * 16}"
RAW = {"content-type": "image/png"}
IMAGE = gray_png(0)
PREDICTIONS = ("/predict", "/predict?version=1", "/compare", "/saliency?method=occlusion", "/view")


async def sent(address: tuple[str, int], *headers: str) -> Any:
    async with await Peer.connect(address) as peer:
        await peer.send(request(IMAGE, *headers))
        return await peer.answer()


async def test_predictions_can_need_a_key(home: Path) -> None:
    async with running_app(settings_for(home, api_keys=KEYS, anonymous_predictions=False)) as app:
        for path in PREDICTIONS:
            refused = await app.client.post(path, content=IMAGE, headers=RAW)
            assert_problem(refused, 401, "key-required")
            assert refused.headers["www-authenticate"].startswith("Bearer")
            answer = await app.client.post(path, content=IMAGE, headers={**RAW, "x-api-key": "p" * 16})
            assert answer.status_code == 200, (path, answer.text)
        refused = await app.client.post("/v2/models/cnn/infer", json={})
        assert (refused.status_code, "key" in refused.json()["error"]) == (401, True)
        begun = await app.client.post("/session", headers={"x-api-key": "p" * 16})
        assert COOKIE in begun.cookies
        same_page = {**RAW, "sec-fetch-site": "same-origin"}
        assert (await app.client.post("/predict", content=IMAGE, headers=same_page)).status_code == 200
        assert (await app.client.get("/models")).status_code == 200


async def test_scope_predict_only_predicts(home: Path) -> None:
    async with running_app(settings_for(home, api_keys=KEYS)) as app:
        refused = await app.client.post("/train", json={}, headers={"x-api-key": "p" * 16})
        problem = assert_problem(refused, 403, "scope-required")
        assert problem["granted"] == ["predict"]
        assert 'error="insufficient_scope", scope="jobs"' in refused.headers["www-authenticate"]


async def test_unknown_key_is_refused_and_ended_session_is_anonymous(home: Path) -> None:
    async with running_app(settings_for(home, api_keys=KEYS)) as app:
        for header in ({"x-api-key": "wrong"}, {"authorization": "Bearer wrong"}):
            refused = await app.client.post("/predict", content=IMAGE, headers={**RAW, **header})
            assert_problem(refused, 401, "key-refused")
        ended = {**RAW, "cookie": f"{COOKIE}={'0' * 16}.1.{'0' * 64}", "sec-fetch-site": "same-origin"}
        assert (await app.client.post("/predict", content=IMAGE, headers=ended)).status_code == 200


async def test_expired_and_revoked_keys_are_refused(home: Path) -> None:
    from datetime import UTC, datetime, timedelta

    _, secret = add_key(home, "old", "predict", expires=datetime.now(UTC) - timedelta(seconds=1))
    async with running_app(settings_for(home, api_keys=KEYS)) as app:
        refused = await app.client.post("/predict", content=IMAGE, headers={**RAW, "x-api-key": secret})
        problem = assert_problem(refused, 401, "key-refused")
        assert "expired" in problem["detail"]
        assert secret not in refused.text


async def test_rate_is_limited_before_the_body_is_read(home: Path) -> None:
    limits = {"requests_per_second": 0.001}
    async with listening_app(settings_for(home, api_keys=KEYS, caller_limits=limits)) as app:
        key = f"X-API-Key: {'p' * 16}"
        assert (await sent(app.address, key)).status == 200
        for headers in ((key,), (key, "Connection: close")):  # in the protocol, and in the route
            refused = await sent(app.address, *headers)
            assert refused.status == 429
            problem = refused.json()
            assert problem["type"] == "urn:duet:problem:caller-limit"
            assert (problem["limit"], problem["value"]) == ("requests_per_second", 0.001)
            assert int(refused.headers["retry-after"]) > 900
        assert (await sent(app.address)).status == 200
        assert (await sent(app.address)).status == 429
        other = f"Authorization: Bearer {'j' * 16}"
        assert (await sent(app.address, other)).status == 200


async def test_concurrent_requests_of_a_caller_are_limited(home: Path) -> None:
    settings = settings_for(home, api_keys=KEYS, caller_limits={"concurrent_requests": 2})
    async with running_app(settings) as app:
        with gated(app.queue("cnn")) as gate:
            running = [asyncio.create_task(app.client.post("/predict", content=IMAGE, headers=RAW)) for _ in range(2)]
            await gate.held(2)
            refused = await app.client.post("/view", content=IMAGE, headers=RAW)
            assert assert_problem(refused, 429, "caller-limit")["limit"] == "concurrent_requests"
            other = await app.client.post("/view", content=IMAGE, headers={**RAW, "x-api-key": "p" * 16})
            assert other.status_code == 200
            gate.open()
            assert [answer.status_code for answer in await asyncio.gather(*running)] == [200, 200]
        assert (await app.client.post("/view", content=IMAGE, headers=RAW)).status_code == 200


async def test_full_queue_makes_room_for_another_caller(home: Path) -> None:
    async with listening_app(settings_for(home, api_keys=KEYS, queue_size=4, threads=2)) as app:
        queue = app.queue("cnn")
        with gated(queue) as gate:
            heavy = []
            for number in range(6):
                peer = await Peer.connect(app.address)
                await peer.send(request(IMAGE))
                heavy.append(peer)
                if number < 2:
                    await gate.held()
            await until(lambda: asyncio.sleep(0, queue.pending == 4))
            assert (await sent(app.address)).status == 429
            async with await Peer.connect(app.address) as modest:
                await modest.send(request(IMAGE, f"X-API-Key: {'p' * 16}"))
                displaced = await heavy[-1].answer()
                assert displaced.status == 429
                assert displaced.json()["type"] == "urn:duet:problem:queue-full"
                gate.open()
                assert (await modest.answer()).status == 200
            for peer in heavy[:-1]:
                assert (await peer.answer()).status == 200
            for peer in heavy:
                await peer.__aexit__(None, None, None)


@pytest.mark.parametrize("limits", ['{"requests_per_second": 0}', '{"rate": 3}', "20"])
def test_malformed_limits_name_the_setting(monkeypatch: pytest.MonkeyPatch, limits: str) -> None:
    from core.errors import ConfigurationError
    from service.settings import read_settings

    monkeypatch.setenv("DUET_CALLER_LIMITS", limits)
    with pytest.raises(ConfigurationError, match="DUET_CALLER_LIMITS"):
        read_settings()

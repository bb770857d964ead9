"""Invalid requests of the Open Inference Protocol: status and error format. Unit tests have the other causes."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.gates import gated
from tests.support.openinference import (
    LENGTH,
    Body,
    assert_error,
    binary_body,
    grays,
    json_body,
    raw_body,
)
from tests.support.service import ListeningApp, RunningApp, listening_app, running_app, settings_for, until, write_home
from tests.support.wire import Peer, head, request

pytestmark = pytest.mark.asyncio(loop_scope="module")
INFER = "/v2/models/cnn/infer"
ONE = grays(0)
SIZE = ONE.nbytes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    """The ready app, with small limits."""
    home = tmp_path_factory.mktemp("home")
    write_home(home)
    async with running_app(settings_for(home, max_body_bytes=20_000, queue_size=16)) as app:
        yield app


async def test_json_larger_than_any_valid_request_is_not_parsed(home: Path) -> None:
    async with running_app(settings_for(home, queue_size=64)) as app:
        limit = 64 * SIZE * 8 + 64 * 1024
        content = b'{"inputs": [{"data": [' + b"0," * limit + b"0]}]}"
        for body, headers in ((content, {}), (gzip.compress(content), {"content-encoding": "gzip"})):
            answer = await app.client.post(INFER, content=body, headers=headers)
            assert f"at most {limit} bytes" in assert_error(answer, 413)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        pytest.param((b"", {}), 400, "are not JSON", id="nothing"),
        pytest.param((b"\x89PNG\r\n", {"content-type": "image/png"}), 400, "are not JSON", id="a picture"),
        pytest.param((b"{}", {}), 400, "inputs: Field required", id="no inputs"),
        pytest.param(json_body(ONE, outputs=[{"name": "scores"}]), 400, "unknown output 'scores'", id="unknown output"),
        pytest.param(binary_body(grays(*range(17))), 400, "at most 16 images", id="too many, binary"),
        pytest.param(raw_body(grays(*range(17))), 400, "at most 16 images", id="too many, raw"),
        pytest.param((binary_body(ONE)[0][:-1], binary_body(ONE)[1]), 400, "191 bytes follow", id="a byte is missing"),
        pytest.param((binary_body(ONE)[0], {LENGTH: "20001"}), 400, "the body has only", id="length beyond the body"),
        pytest.param((binary_body(ONE)[0], {LENGTH: "-1"}), 400, "not a number", id="length negative"),
        pytest.param((json_body(ONE)[0], {LENGTH: "0"}), 400, "not a multiple", id="JSON where raw images should be"),
        pytest.param(json_body(ONE, parameters={"precision": "int8"}), 404, "without int8", id="no int8"),
        pytest.param((bytes(20_001), {}), 413, "at most 20000 bytes", id="body too large"),
        pytest.param(
            (gzip.compress(bytes(10_000_000)), {"content-encoding": "gzip"}), 413, "at most 20000", id="gzip bomb"
        ),
        pytest.param((b"{}", {"content-encoding": "gzip"}), 400, "not gzip", id="not gzip"),
        pytest.param((b"{}", {"content-encoding": "br"}), 415, "gzip, deflate", id="brotli"),
        pytest.param((b"{}", {"content-length": "-3"}), 400, "Content-Length", id="senseless Content-Length"),
    ],
)
async def test_bad_request_is_explained_and_the_next_served(
    running: RunningApp, body: Body, status: int, message: str
) -> None:
    content, headers = body
    answer = await running.client.post(INFER, content=content, headers=headers)
    told = assert_error(answer, status)
    assert message in told
    assert len(told) < 300
    assert running.queue("cnn").pending == 0
    good, headers = binary_body(ONE)
    assert (await running.client.post(INFER, content=good, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v2/models/vit/infer", "unknown model 'vit': available models are cnn, mlp"),
        ("/v2/models/cnn@1/infer", "unknown model 'cnn@1' (did you mean 'cnn'?): available models are cnn, mlp"),
        ("/v2/models/..%5Ccnn/infer", "unknown model"),
        ("/v2/models/%00/infer", "unknown model"),
        ("/v2/models/%7Bmodel%7D/infer", "unknown model '{model}': available models are cnn, mlp"),
        ("/v2/models/vit/versions/1/infer", "unknown model 'vit': available models are cnn, mlp"),
        ("/v2/models/vit/versions/x/infer", "unknown model 'vit': available models are cnn, mlp"),
        ("/v2/models/cnn/versions/9/infer", "unknown version 9 of cnn: available versions are 1"),
        ("/v2/models/cnn/versions/0/infer", "unknown version 0 of cnn: available versions are 1"),
        ("/v2/models/cnn/versions/-1/infer", "unknown version -1 of cnn: available versions are 1"),
        ("/v2/models/cnn/versions/latest/infer", "unknown version latest of cnn: available versions are 1"),
        (f"/v2/models/cnn/versions/{'9' * 5000}/infer", "unknown version 999"),
        ("/v2/models/cnn/versions/%C2%B2/infer", "unknown version ² of cnn: available versions are 1"),
        ("/v2/models/cnn/versions//infer", "no route has the path"),
        ("/v2/models/cnn/explain", "no route has the path /v2/models/cnn/explain"),
        ("/v2/repository/index", "no route has the path /v2/repository/index"),
    ],
)
async def test_unknown_model_version_or_path_is_404(running: RunningApp, path: str, message: str) -> None:
    content, headers = binary_body(ONE)
    assert assert_error(await running.client.post(path, content=content, headers=headers), 404).startswith(message)


@pytest.mark.parametrize("end", ["", "/ready"])
async def test_unknown_models_and_versions_have_no_metadata(running: RunningApp, end: str) -> None:
    for path, message in (
        ("vit", "unknown model 'vit'"),
        ("cnn/versions/7", "unknown version 7"),
        ("cnn/versions/0", "unknown version 0"),
        ("cnn/versions/x", "unknown version x"),
    ):
        assert assert_error(await running.client.get(f"/v2/models/{path}{end}"), 404).startswith(message)


async def test_wrong_method_is_405_with_allow(running: RunningApp) -> None:
    answer = await running.client.get(INFER)
    assert assert_error(answer, 405) == f"{INFER} does not support GET: use POST"
    assert answer.headers["allow"] == "POST"


async def test_similar_path_gets_the_api_problem(running: RunningApp) -> None:
    assert (await running.client.get("/v2models")).headers["content-type"] == "application/problem+json"


async def is_served(app: ListeningApp) -> bool:
    async with await Peer.connect(app.address) as peer:
        await peer.send(request(*wired(binary_body(ONE)), path=INFER, content_type="application/octet-stream"))
        return (await peer.answer()).status == 200


def wired(body: Body) -> tuple[bytes, str]:
    content, headers = body
    return content, f"{LENGTH}: {headers[LENGTH]}"


async def test_chunked_body_is_read_and_bounded(home: Path) -> None:
    async with listening_app(settings_for(home, max_body_bytes=2000)) as app:
        async with await Peer.connect(app.address) as peer:
            await peer.send(head("Transfer-Encoding: chunked", f"{LENGTH}: 0", path=INFER))
            for byte in bytes(SIZE):
                await peer.send(b"1\r\n%c\r\n" % byte)
            await peer.send(b"0\r\n\r\n")
            assert (await peer.answer()).status == 200
            await peer.send(head("Transfer-Encoding: chunked", f"{LENGTH}: 0", path=INFER))
            await peer.send(b"7d1\r\n" + bytes(2001) + b"\r\n")
            answer = await peer.answer()
            assert (answer.status, answer.json()) == (
                413,
                {"error": "a body may have at most 2000 bytes: send less in one request"},
            )
        assert await is_served(app)


async def test_disconnect_frees_queue_places(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="duet.access")
    async with listening_app(settings_for(home)) as app:
        queue = app.queue("cnn")
        with gated(queue) as gate:
            staying = [await Peer.connect(app.address) for _ in range(2)]
            for peer in staying:
                await peer.send(request(*wired(raw_body(ONE)), path=INFER))
            await gate.held(2)
            async with await Peer.connect(app.address) as leaving:
                await leaving.send(request(*wired(binary_body(grays(1, 2, 3))), path=INFER))
                await until(lambda: asyncio.sleep(0, queue.pending == 3))
            await until(lambda: asyncio.sleep(0, queue.pending == 0))
            gate.open()
            for peer in staying:
                assert (await peer.answer()).status == 200
                peer.hang_up()
        assert f"POST {INFER} 499" in caplog.messages
        assert await is_served(app)

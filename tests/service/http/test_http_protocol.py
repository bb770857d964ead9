"""HTTP protocol: writes to the socket, and the limit on request heads."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from service.http.admission import MAX_HEAD_BYTES, CoalescingTransport
from tests.support.onnx_models import gray_png
from tests.support.service import ListeningApp, listening_app, settings_for
from tests.support.wire import FORM, Answer, Peer, form, head, request

IMAGE = gray_png(0)
CHUNKED = head("Content-Type: image/png", "Transfer-Encoding: chunked")


class Wire:
    """Fake transport that records every write."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        if self.closed:
            raise RuntimeError("closed")
        self.pieces.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def whole_on(wire: Wire) -> CoalescingTransport:
    return CoalescingTransport(cast(asyncio.Transport, wire), asyncio.get_running_loop())


async def test_head_and_body_are_written_together() -> None:
    wire = Wire()
    whole = whole_on(wire)
    whole.write(b"head")
    assert wire.pieces == []
    whole.write(b"body")
    whole.write(b"more")
    await asyncio.sleep(0)
    assert wire.pieces == [b"headbody", b"more"]


async def test_head_with_late_body_is_written_alone() -> None:
    wire = Wire()
    whole = whole_on(wire)
    whole.write(b"head")
    await asyncio.sleep(0)
    assert wire.pieces == [b"head"]
    whole.write(b"first")
    assert wire.pieces == [b"head", b"first"]


async def test_head_without_body_is_written_before_the_close() -> None:
    wire = Wire()
    whole = whole_on(wire)
    whole.write(b"head")
    whole.close()
    assert wire.pieces == [b"head"]
    assert whole.is_closing()


async def test_head_after_disconnect_is_dropped() -> None:
    wire = Wire()
    whole_on(wire).write(b"head")
    wire.close()
    defects: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context))
    await asyncio.sleep(0)
    assert (wire.pieces, defects) == ([], [])


async def sent_to(app: ListeningApp, message: bytes) -> Answer:
    async with await Peer.connect(app.address) as peer:
        await peer.send(message)
        return await peer.answer()


async def test_head_within_the_limit_is_accepted(home: Path) -> None:
    most = head(f"X-Long: {'x' * 60_000}", "Content-Type: image/png", f"Content-Length: {len(IMAGE)}") + IMAGE
    async with listening_app(settings_for(home)) as app, await Peer.connect(app.address) as peer:
        for _ in range(2):
            await peer.send(most)
            assert (await peer.answer()).status == 200


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET /livez HTTP/1.1\r\n", b"X-Endless: " + b"x" * 1_000 + b"\r\n"),
        (b"GET /livez HTTP/1.1\r\nX-Endless: ", b"x" * 1_000),
        (CHUNKED + b"4\r\nabcd\r\n0\r\n", b"X-Endless: " + b"x" * 1_000 + b"\r\n"),
        (CHUNKED + b"4\r\nabcd\r\n0\r\nX-Endless: ", b"x" * 1_000),
    ],
    ids=["fields", "one field", "trailers", "one trailer"],
)
async def test_endless_head_is_rejected(home: Path, start: bytes, piece: bytes) -> None:
    async with listening_app(settings_for(home)) as app:
        async with await Peer.connect(app.address) as peer:
            await peer.send(start)
            await asyncio.sleep(0.05)  # or the head would begin in the same piece
            await peer.send(piece * (MAX_HEAD_BYTES // len(piece) + 1))
            refused = await peer.rest()
            assert refused.startswith(b"HTTP/1.1 431 ")
            assert refused.endswith(b"65536 bytes at most.")
            assert b"\r\nx-content-type-options: nosniff\r\n" in refused
        async with await Peer.connect(app.address) as peer:
            await peer.send(start)
            with suppress(OSError):  # whoever goes on all the same is cut off
                for _ in range(10_000):
                    await peer.send(piece)
                raise AssertionError("an endless head was taken")
        assert (await sent_to(app, request(IMAGE))).status == 200


async def test_bytes_before_a_head_are_not_counted(home: Path) -> None:
    before, following = request(form([b"no image" * 12_000]), content_type=FORM), request(IMAGE)
    assert len(before) > MAX_HEAD_BYTES
    async with listening_app(settings_for(home)) as app, await Peer.connect(app.address) as peer:
        await peer.send(before + following[:20])
        await asyncio.sleep(0.05)
        await peer.send(following[20:])
        assert (await peer.answer()).status == 422
        assert (await peer.answer()).status == 200


async def test_large_chunks_are_not_counted(home: Path) -> None:
    body = form([IMAGE + struct.pack(">200000x")])
    chunks = [body[start : start + 90_000] for start in range(0, len(body), 90_000)]
    message = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    start = head(f"Content-Type: {FORM}", "Transfer-Encoding: chunked")
    async with listening_app(settings_for(home)) as app, await Peer.connect(app.address) as peer:
        await peer.send(start)
        for place in range(0, len(message), 40_000):
            await peer.send(message[place : place + 40_000])
            await asyncio.sleep(0.01)
        await peer.send(b"0\r\nX-Digest: none\r\n\r\n")
        assert (await peer.answer()).status == 200
        await peer.send(request(IMAGE))
        assert (await peer.answer()).status == 200


H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")


@pytest.mark.parametrize("pieces", [1, 2, 7])
@pytest.mark.parametrize("upgrade", [H2C, ("Connection: keep-alive, upgrade", "Upgrade: websocket")])
async def test_body_behind_an_upgrade_is_read(home: Path, upgrade: tuple[str, ...], pieces: int) -> None:
    message = request(IMAGE, *upgrade)
    size = -(-len(message) // pieces)
    async with listening_app(settings_for(home)) as app, await Peer.connect(app.address) as peer:
        for _ in range(2):  # the connection remains
            for start in range(0, len(message), size):
                await peer.send(message[start : start + size])
                await asyncio.sleep(0.01)
            answer = await peer.answer()
            assert (answer.status, answer.json()["predictions"][0]["label"] != "") == (200, True)


async def test_chunked_body_behind_an_upgrade_is_read(home: Path) -> None:
    start = head("Content-Type: image/png", "Transfer-Encoding: chunked", *H2C)
    message = start + b"%x\r\n%s\r\n0\r\n\r\n" % (len(IMAGE), IMAGE)
    async with listening_app(settings_for(home)) as app:
        assert (await sent_to(app, message)).status == 200


async def test_thousands_of_upgrades_in_one_piece_are_served(home: Path) -> None:
    upgrade = b"GET /livez HTTP/1.1\r\nHost: duet\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    async with listening_app(settings_for(home)) as app, await Peer.connect(app.address) as peer:
        await peer.send(upgrade * 3000)
        for _ in range(3000):
            assert (await peer.answer()).status == 200


async def test_upgrade_that_closes_is_closed(home: Path) -> None:
    message = b"GET /livez HTTP/1.1\r\nHost: duet\r\nConnection: close, upgrade\r\nUpgrade: h2c\r\n\r\n"
    async with listening_app(settings_for(home)) as app, await Peer.connect(app.address) as peer:
        await peer.send(message)
        assert (await peer.rest()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Host: duet"], 200),
        (["Host: 127.0.0.1:8000"], 200),
        ([], 400),
        (["Host: duet", "Host: duet"], 400),
        (["Host: evil.example"], 403),
    ],
)
async def test_request_names_one_own_host(home: Path, lines: list[str], status: int) -> None:
    async with listening_app(settings_for(home)) as app:
        for path in ("/models", "/metrics", "/v2", "/none"):
            message = "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()
            assert (await sent_to(app, message)).status == (404 if path == "/none" and status == 200 else status)
        predict = b"\r\n".join([b"POST /predict HTTP/1.1", *(line.encode() for line in lines)])
        answer = await sent_to(
            app, predict + b"\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(IMAGE) + IMAGE
        )
        assert answer.status == status


async def test_http_1_0_and_probes_need_no_host(home: Path) -> None:
    async with listening_app(settings_for(home)) as app:
        for message in (b"GET /readyz HTTP/1.0\r\n\r\n", b"GET /models HTTP/1.0\r\n\r\n"):
            assert (await sent_to(app, message)).status == 200
        assert (await sent_to(app, b"GET /readyz HTTP/1.1\r\nHost: balancer.example\r\n\r\n")).status == 200


@pytest.mark.parametrize(
    "message",
    [
        b"nonsense\r\n\r\n",
        b"CONNECT duet:443 HTTP/1.1\r\nHost: duet\r\n\r\n",
    ],
)
async def test_unreadable_request_gets_the_same_headers(home: Path, message: bytes) -> None:
    async with listening_app(settings_for(home)) as app, await Peer.connect(app.address) as peer:
        await peer.send(message[:20])
        await asyncio.sleep(0.05)
        await peer.send(message[20:])
        answer = await peer.rest()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"\r\nx-content-type-options: nosniff\r\n" in answer
        assert b"\r\ncache-control: no-store\r\n" in answer

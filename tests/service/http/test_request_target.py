"""Absolute-form request targets, whose host replaces the Host header (RFC 9112, section 3.2.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.service import listening_app, settings_for
from tests.support.wire import Peer


@pytest.mark.parametrize(
    ("target", "lines", "status"),
    [
        ("http://duet/models", ["Host: evil.example"], 200),
        ("http://[::1]:8000/models", ["Host: duet"], 200),
        ("http://duet:80/models/none?x=1", ["Host: duet"], 404),
        ("http://evil.example/models", ["Host: duet"], 403),
        ("https://evil.example:443/models", ["Host: 127.0.0.1"], 403),
        ("http://duet@evil.example/models", ["Host: duet"], 403),
        ("http://evil.example/readyz", ["Host: duet"], 200),
        ("http://duet/models", [], 400),
        ("http://duet/models", ["Host: duet", "Host: duet"], 400),
        ("http:///models", ["Host: duet"], 400),
        ("*", ["Host: duet"], 404),
    ],
)
async def test_host_of_the_target_is_checked(home: Path, target: str, lines: list[str], status: int) -> None:
    async with listening_app(settings_for(home)) as app, await Peer.connect(app.address) as peer:
        await peer.send("\r\n".join([f"GET {target} HTTP/1.1", *lines, "", ""]).encode())
        answer = await peer.answer()
    assert answer.status == status, answer
    if status == 403:
        assert "evil.example" in answer.json()["detail"]


async def test_target_without_a_path_is_the_root(home: Path) -> None:
    async with listening_app(settings_for(home)) as app, await Peer.connect(app.address) as peer:
        await peer.send(b"GET http://duet HTTP/1.1\r\nHost: duet\r\nAccept: text/html\r\n\r\n")
        assert (await peer.answer()).status < 400


async def test_http_1_0_target_is_checked_without_a_header(home: Path) -> None:
    async with listening_app(settings_for(home)) as app, await Peer.connect(app.address) as peer:
        await peer.send(b"GET http://evil.example/models HTTP/1.0\r\n\r\n")
        assert (await peer.answer()).status == 403

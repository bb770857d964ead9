"""The client with what real machines have: proxies, images with EXIF orientation and file names that are not UTF-8."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from core.images.decode import decode_image
from duet import Client, ClientError
from duet.client.connection import is_direct
from duet.client.images import file_part

PROXIES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def turned_jpeg(orientation: int) -> bytes:
    """A JPEG of 8x16 pixels, dark above and bright below, with an EXIF orientation."""
    pixels_HW = np.repeat(np.array([[0], [255]], np.uint8), 8, axis=0).repeat(8, axis=1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(pixels_HW).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("change", [lambda image: image, lambda image: image.convert("RGB")], ids=["opened", "rgb"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_pillow_image_is_seen_upright(orientation: int, change: Callable[[Image.Image], Image.Image]) -> None:
    jpeg = turned_jpeg(orientation)
    expected = decode_image(jpeg, height=8, width=8)
    _, (_, content, _) = file_part(change(Image.open(io.BytesIO(jpeg))), 0)
    sent = decode_image(content, height=8, width=8)
    assert sent.original_size == expected.original_size
    np.testing.assert_allclose(sent.pixels_HWC, expected.pixels_HWC, atol=40)


def test_pillow_image_with_a_damaged_exif_block_is_sent() -> None:
    image = Image.new("RGB", (8, 8))
    image.info["exif"] = b"Exif\0\0not EXIF"
    _, (_, content, _) = file_part(image, 0)
    assert decode_image(content, height=8, width=8).notes == ()


def test_file_name_that_is_not_utf8_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(b"content")
    _, (name, content, _) = file_part(path, 0)
    assert (name, content) == ("caf\\xe9.png", b"content")
    with pytest.raises(ClientError, match=r"caf\\xe9-none"):
        file_part(tmp_path / os.fsdecode(b"caf\xe9-none"), 0)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://127.0.0.2:8000", "http://[::1]:8000", "http://0.0.0.0"]
)
def test_this_machine_is_reached_without_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example:1080")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    with Client(url) as client:
        assert mounted_proxies(client) == []


def test_proxy_of_the_environment_applies_to_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    with Client("http://duet.example") as client:
        assert mounted_proxies(client) == ["http://"]


def test_socks_proxy_without_its_package_is_a_client_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example:1080")
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(ClientError, match="NO_PROXY"):
        Client("http://duet.example")
    monkeypatch.setenv("NO_PROXY", "duet.example")
    with Client("http://duet.example") as client:
        assert mounted_proxies(client) == []


def test_unknown_proxy_scheme_is_a_client_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://proxy.example")
    with pytest.raises(ClientError, match="proxy of the environment"):
        Client("http://duet.example")


def test_hosts_under_localhost_and_in_no_proxy_are_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    assert [is_direct(f"http://{host}") for host in ("duet.localhost", "intranet.example", "example.org")] == [
        True,
        True,
        False,
    ]


def mounted_proxies(client: Client) -> list[str]:
    """URL patterns that go through a proxy."""
    http: httpx.Client = client._connection.http
    return [pattern.pattern for pattern, transport in http._mounts.items() if transport is not None]

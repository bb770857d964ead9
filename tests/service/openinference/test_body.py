from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest

from service.errors import BodyTooLargeError, MalformedBodyError, UnsupportedEncodingError
from service.openinference.body import Framing, decompressed, read_framing, split

LENGTH = b"inference-header-content-length"
Pack = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("headers", "framing"),
    [
        ([], Framing(None, None)),
        ([(b"content-type", b"application/json")], Framing(None, None)),
        ([(LENGTH, b"0")], Framing(None, 0)),
        ([(LENGTH, b" 17 "), (b"content-encoding", b"GZIP")], Framing("gzip", 17)),
        ([(b"content-encoding", b"deflate")], Framing("deflate", None)),
        ([(b"content-encoding", b"identity")], Framing(None, None)),
        ([(b"content-encoding", b"")], Framing(None, None)),
    ],
)
def test_read_framing_from_headers(headers: list[tuple[bytes, bytes]], framing: Framing) -> None:
    assert read_framing(headers) == framing


@pytest.mark.parametrize("encoding", [b"br", b"gzip, gzip", b"zstd"])
def test_unsupported_encoding_error_lists_supported_ones(encoding: bytes) -> None:
    with pytest.raises(UnsupportedEncodingError) as refused:
        read_framing([(b"content-encoding", encoding)])
    assert refused.value.headers == {"Accept-Encoding": "gzip, deflate"}
    assert repr(encoding.decode()) in refused.value.detail


@pytest.mark.parametrize("length", [b"", b"-1", b"+1", b"1_0", b"1.0", b"0x10", b"\xb2", b"9" * 19, b"9" * 5000])
def test_non_numeric_json_length_is_refused(length: bytes) -> None:
    with pytest.raises(MalformedBodyError, match="is not a number of bytes"):
        read_framing([(LENGTH, length)])


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_decompressed_stops_at_the_limit(encoding: str, pack: Pack) -> None:
    content = bytes(range(250)) * 4
    assert decompressed(pack(content), encoding, 1000) == content
    with pytest.raises(BodyTooLargeError, match="999"):
        decompressed(pack(content), encoding, 999)
    assert decompressed(pack(b""), encoding, 10) == b""


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_bomb_is_refused_before_full_decompression(encoding: str, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, bits: int) -> None:
            self._real = real(bits)

        def decompress(self, body: bytes, most: int) -> bytes:
            content = self._real.decompress(body, most)
            made.append(len(content))
            return content

    bomb = pack(bytes(50_000_000))
    assert len(bomb) < 60_000
    monkeypatch.setattr(zlib, "decompressobj", Counting)
    with pytest.raises(BodyTooLargeError):
        decompressed(bomb, encoding, 100_000)
    assert made == [100_001]


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda body: body[:-1], id="cut short"),
        pytest.param(lambda body: body + b"more", id="followed by something"),
        pytest.param(lambda body: body[:-4] + b"\0\0\0\0", id="wrong checksum"),
        pytest.param(lambda body: b"{}", id="not compressed"),
        pytest.param(lambda body: b"", id="empty"),
    ],
)
def test_damaged_bodies_are_malformed(encoding: str, pack: Pack, damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(MalformedBodyError, match=encoding):
        decompressed(damage(pack(b"some content that is not all alike")), encoding, 1000)


def test_split_uses_the_json_length_header() -> None:
    assert split(b"{}abc", 2) == (b"{}", b"abc")
    assert split(b"{}", 2) == (b"{}", b"")
    assert split(b"{} ", None) == (b"{} ", b"")
    with pytest.raises(MalformedBodyError, match="is 6, but the body has only 5 bytes"):
        split(b"{}abc", 6)

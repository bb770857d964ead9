"""Multipart bodies: files, fields and malformed parts."""

from __future__ import annotations

import pytest

from service.errors import MalformedBodyError, NoImageError, TooManyFilesError, WrongFieldError
from service.http.multipart_images import MultipartImages

HEADER = "multipart/form-data; boundary=XyZ"


def part(content: bytes, disposition: str = 'form-data; name="file"; filename="a.png"') -> bytes:
    return f"--XyZ\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


def parsed(body: bytes, *, chunk: int, max_files: int = 4) -> list[tuple[str | None, bytes]]:
    images = MultipartImages(HEADER, max_files=max_files)
    for start in range(0, len(body), chunk):
        images.feed(body[start : start + chunk])
    return images.finish()


@pytest.mark.parametrize("chunk", [1, 2, 7, 10_000])
def test_multipart_files_do_not_depend_on_chunks(chunk: int) -> None:
    contents = [b"\r\n--Xy not quite the boundary \r\n", b"", bytes(range(256))]
    body = b"".join(part(content) for content in contents) + b"--XyZ--\r\n"
    assert parsed(body, chunk=chunk) == [("a.png", content) for content in contents]


def test_multipart_part_without_file_name_is_accepted() -> None:
    body = (
        b'--XyZ\r\nContent-Type: image/png\r\ncontent-disposition: form-data; name="file"\r\n\r\nabc\r\n'
        + part(b"def", 'form-data; name="file"; filename="h\u00e9.png"')
        + b"--XyZ--"
    )
    assert parsed(body, chunk=5) == [(None, b"abc"), ("h\u00e9.png", b"def")]


def test_multipart_wrong_field_is_rejected_by_its_head() -> None:
    images = MultipartImages(HEADER, max_files=4)
    with pytest.raises(WrongFieldError) as raised:
        images.feed(b'--XyZ\r\nContent-Disposition: form-data; name="picture"\r\n\r\n')
    assert raised.value.fields == {"found": "picture", "expected": "file"}


def test_multipart_too_many_files_are_rejected_early() -> None:
    images = MultipartImages(HEADER, max_files=1)
    images.feed(part(b"one"))
    with pytest.raises(TooManyFilesError):
        images.feed(b"--XyZ\r\nContent-Disposition")


@pytest.mark.parametrize(
    "body", [part(b"abc"), part(b"abc") + b"--XyZ", part(b"abc")[:-20], b"", b"nothing of the kind"]
)
def test_multipart_truncated_body_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        parsed(body, chunk=8)


@pytest.mark.parametrize(
    "header", ["multipart/form-data", "multipart/form-data; boundary=", f"{HEADER[:-3]}{'x' * 999}"]
)
def test_multipart_invalid_boundary_is_malformed(header: str) -> None:
    with pytest.raises(MalformedBodyError):
        MultipartImages(header, max_files=1)


def test_multipart_endless_header_is_malformed() -> None:
    with pytest.raises(MalformedBodyError):
        parsed(b"--XyZ\r\nX: " + bytes([65]) * 100_000, chunk=1000)


def test_multipart_empty_form_is_rejected() -> None:
    with pytest.raises((NoImageError, MalformedBodyError)):
        parsed(b"--XyZ--\r\n", chunk=100)


PLAIN = b'--XyZ\r\nContent-Disposition: form-data; name="file"; filename="a b.png"\r\nContent-Type: image/png\r\n\r\n'


@pytest.mark.parametrize(
    "body",
    [
        PLAIN + b"abc\r\n--XyZ--\r\n",
        PLAIN + b"abc\r\n--XyZ--",
        PLAIN + b"abc\r\n--XyZ--\r\nepilogue",
        PLAIN + b"\r\n--XyZ--\r\n",
        PLAIN + b"\r\n--Xy\r\n\r\n--XyZ--\r\n",
        PLAIN + b"abc\r\n" + part(b"def") + b"--XyZ--\r\n",
        PLAIN.replace(b'; filename="a b.png"', b"") + b"abc\r\n--XyZ--\r\n",
        PLAIN.replace(b"a b.png", b"") + b"abc\r\n--XyZ--\r\n",
        PLAIN.replace(b"a b.png", b"a%22b.png") + b"abc\r\n--XyZ--\r\n",
        PLAIN.replace(b"a b.png", b"C:\\a.png") + b"abc\r\n--XyZ--\r\n",
        PLAIN.replace(b"a b.png", "h\u00e9.png".encode()) + b"abc\r\n--XyZ--\r\n",
        b"preamble\r\n" + PLAIN + b"abc\r\n--XyZ--\r\n",
    ],
)
def test_forms_that_arrive_at_once_are_read_as_in_pieces(body: bytes) -> None:
    assert parsed(body, chunk=len(body)) == parsed(body, chunk=3)


@pytest.mark.parametrize("end", [b"", b"\r\n--XyZ", b"\r\n--XyZ-", b"\r\n--XyZx--\r\n", b"\n--XyZ--\r\n"])
def test_damaged_forms_that_arrive_at_once_are_malformed(end: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        parsed(PLAIN + b"abc" + end, chunk=10_000)


def test_bytes_after_a_form_are_ignored() -> None:
    images = MultipartImages(HEADER, max_files=1)
    images.feed(PLAIN + b"abc\r\n--XyZ--\r\n")
    images.feed(b"epilogue")
    assert images.finish() == [("a b.png", b"abc")]

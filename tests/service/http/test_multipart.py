from __future__ import annotations

import pytest

from service.errors import MalformedBodyError, NoImageError, TooManyFilesError, WrongFieldError
from service.http.multipart import MultipartImages

HEADER = "multipart/form-data; boundary=XyZ"


def part(content: bytes, disposition: str = 'form-data; name="file"; filename="a.png"') -> bytes:
    return f"--XyZ\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


def parsed(body: bytes, *, chunk: int, max_files: int = 4) -> list[tuple[str | None, bytes]]:
    images = MultipartImages(HEADER, max_files=max_files)
    for start in range(0, len(body), chunk):
        images.feed(body[start : start + chunk])
    return images.finish()


@pytest.mark.parametrize("chunk", [1, 2, 7, 10_000])
def test_files_come_out_whole_however_the_body_is_cut(chunk: int) -> None:
    contents = [b"\r\n--Xy not quite the boundary \r\n", b"", bytes(range(256))]
    body = b"".join(part(content) for content in contents) + b"--XyZ--\r\n"
    assert parsed(body, chunk=chunk) == [("a.png", content) for content in contents]


def test_a_part_needs_no_file_name_and_may_have_other_headers() -> None:
    body = (
        b'--XyZ\r\nContent-Type: image/png\r\ncontent-disposition: form-data; name="file"\r\n\r\nabc\r\n'
        + part(b"def", 'form-data; name="file"; filename="h\u00e9.png"')
        + b"--XyZ--"
    )
    assert parsed(body, chunk=5) == [(None, b"abc"), ("h\u00e9.png", b"def")]


def test_another_field_is_refused_as_soon_as_its_name_is_known() -> None:
    images = MultipartImages(HEADER, max_files=4)
    with pytest.raises(WrongFieldError) as raised:
        images.feed(b'--XyZ\r\nContent-Disposition: form-data; name="picture"\r\n\r\n')
    assert raised.value.fields == {"found": "picture", "expected": "file"}


def test_one_file_too_many_is_refused_before_its_content() -> None:
    images = MultipartImages(HEADER, max_files=1)
    images.feed(part(b"one"))
    with pytest.raises(TooManyFilesError):
        images.feed(b"--XyZ\r\nContent-Disposition")


@pytest.mark.parametrize(
    "body", [part(b"abc"), part(b"abc") + b"--XyZ", part(b"abc")[:-20], b"", b"nothing of the kind"]
)
def test_a_body_that_ends_early_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        parsed(body, chunk=8)


@pytest.mark.parametrize(
    "header", ["multipart/form-data", "multipart/form-data; boundary=", f"{HEADER[:-3]}{'x' * 999}"]
)
def test_an_unusable_boundary_is_malformed(header: str) -> None:
    with pytest.raises(MalformedBodyError):
        MultipartImages(header, max_files=1)


def test_a_header_without_end_is_malformed() -> None:
    with pytest.raises(MalformedBodyError):
        parsed(b"--XyZ\r\nX: " + bytes([65]) * 100_000, chunk=1000)


def test_an_empty_form_holds_no_image() -> None:
    with pytest.raises((NoImageError, MalformedBodyError)):
        parsed(b"--XyZ--\r\n", chunk=100)

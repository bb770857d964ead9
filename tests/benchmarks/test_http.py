from __future__ import annotations

import pytest

from benchmarks.common.http import BadAnswerError, multipart_request, raw_request, take_answer
from service.http.multipart_images import MultipartImages

ANSWER = b"HTTP/1.1 429 Too Many\r\ncontent-type: a/b\r\nRetry-After: 2\r\nContent-Length: 5\r\n\r\nhello"


def split_request(request: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    return dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:]), body


def test_raw_request_has_the_image_as_body() -> None:
    request = raw_request("/predict?x=1", b"\x00png\r\n\r\n")
    assert request.startswith(b"POST /predict?x=1 HTTP/1.1\r\n")
    headers, body = split_request(request)
    assert body == b"\x00png\r\n\r\n"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Content-Type"] == "image/png"


def test_multipart_request_is_read_by_the_service() -> None:
    headers, body = split_request(multipart_request("/predict", b"\x89PNG\r\n--x", b"second"))
    assert headers["Content-Length"] == str(len(body))
    images = MultipartImages(headers["Content-Type"], max_files=2)
    images.feed(body)
    assert images.finish() == [("0.png", b"\x89PNG\r\n--x"), ("1.png", b"second")]


def test_take_answer_waits_for_all_bytes() -> None:
    assert all(take_answer(bytearray(ANSWER[:length])) is None for length in range(len(ANSWER)))
    answer = take_answer(bytearray(ANSWER))
    assert answer is not None
    assert (answer.status, answer.body, answer.ok) == (429, b"hello", False)
    assert answer.header("retry-after") == "2"
    assert answer.header("Absent") is None


@pytest.mark.parametrize(
    "sent", [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"SSH-2.0\r\ncontent-length: 1\r\n\r\n"]
)
def test_take_answer_rejects_other_protocols(sent: bytes) -> None:
    with pytest.raises(BadAnswerError):
        take_answer(bytearray(sent))

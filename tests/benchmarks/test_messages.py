"""What is sent, read by the service's own parser; what comes back, in whole and in pieces."""

from __future__ import annotations

import pytest

from benchmarks.serving.messages import BadAnswerError, multipart_request, raw_request, requests_for, take_answer
from service.http.request_body import MultipartImages

ANSWER = b"HTTP/1.1 429 Too Many\r\ncontent-type: a/b\r\nRetry-After: 2\r\nContent-Length: 5\r\n\r\nhello"


def parts(request: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines), body


def test_a_raw_request_has_the_picture_as_its_body() -> None:
    request = raw_request("/predict?x=1", b"\x00png\r\n\r\n")
    assert request.startswith(b"POST /predict?x=1 HTTP/1.1\r\n")
    headers, body = parts(request)
    assert body == b"\x00png\r\n\r\n"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Content-Type"] == "image/png"


def test_a_multipart_request_is_one_that_the_service_reads() -> None:
    headers, body = parts(multipart_request("/predict", b"\x89PNG\r\n--x"))
    assert headers["Content-Length"] == str(len(body))
    images = MultipartImages(headers["Content-Type"], max_files=1)
    images.feed(body)
    assert images.finish() == [("picture.png", b"\x89PNG\r\n--x")]


def test_there_is_a_request_for_each_picture() -> None:
    requests = requests_for("raw", "/", [b"one", b"two"])
    assert [parts(request)[1] for request in requests] == [b"one", b"two"]


def test_an_answer_is_taken_once_it_is_whole() -> None:
    buffer = bytearray()
    for position in range(len(ANSWER)):
        assert take_answer(buffer) is None
        buffer += ANSWER[position : position + 1]
    buffer += ANSWER[:9]
    answer = take_answer(buffer)
    assert answer is not None
    assert (answer.status, answer.body, answer.ok, answer.closes) == (429, b"hello", False, False)
    assert answer.header("retry-after") == "2"
    assert answer.header("Absent") is None
    assert buffer == ANSWER[:9]


def test_an_answer_says_whether_the_connection_ends() -> None:
    answer = take_answer(bytearray(b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 0\r\n\r\n"))
    assert answer is not None
    assert answer.closes
    assert answer.ok


@pytest.mark.parametrize(
    "sent", [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"SSH-2.0\r\ncontent-length: 1\r\n\r\n"]
)
def test_what_cannot_be_read_is_said_to_be_so(sent: bytes) -> None:
    with pytest.raises(BadAnswerError):
        take_answer(bytearray(sent))

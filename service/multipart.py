"""Takes the files out of a multipart/form-data body as it streams in.

The callbacks of python-multipart's parser are used directly: a form with all its temporary files costs several
times as much, and here every part is an image that the body's limit already bounds.
"""

from __future__ import annotations

from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import MalformedBodyError, NoImageError, TooManyFilesError, WrongFieldError

FIELD = "file"


class MultipartImages:
    """Collects the files of the field `file`; feed it every chunk of a body, then finish."""

    def __init__(self, content_type: str, *, max_files: int) -> None:
        """`content_type` is the whole header.

        Raises:
            MalformedBodyError: it names no usable boundary.
        """
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise MalformedBodyError("the Content-Type multipart/form-data names no boundary")
        self._max_files = max_files
        self._files: list[tuple[str | None, bytearray]] = []
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._disposition = b""
        self._ended = False
        callbacks: Any = {
            "on_part_begin": self._part_begins,
            "on_header_field": self._header_field,
            "on_header_value": self._header_more,
            "on_header_end": self._header_ends,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise MalformedBodyError(f"the multipart boundary cannot be used: {error}") from error

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the body.

        Raises:
            MalformedBodyError: they are not multipart.
            WrongFieldError, TooManyFilesError: the form holds something else than a few images.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MalformedBodyError(f"the multipart body cannot be parsed: {error}") from error

    def finish(self) -> list[tuple[str | None, bytes]]:
        """File name, where one was given, and content of every part, in order.

        Raises:
            MalformedBodyError: the body ended early.
            NoImageError: it holds no part.
        """
        if not self._ended:
            raise MalformedBodyError("the multipart body ends before its last boundary")
        if not self._files:
            raise NoImageError(f"the form is empty: send images as files in the field {FIELD!r}")
        return [(filename, bytes(content)) for filename, content in self._files]

    def _part_begins(self) -> None:
        if len(self._files) == self._max_files:
            raise TooManyFilesError(self._max_files)
        self._disposition = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_more(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_ends(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name != FIELD:
            raise WrongFieldError(name, FIELD)
        filename = options.get(b"filename")
        self._files.append((filename.decode("utf-8", "replace") if filename else None, bytearray()))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._files[-1][1].extend(memoryview(data)[start:end])

    def _end(self) -> None:
        self._ended = True

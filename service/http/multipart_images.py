"""Multipart forms of images: the files of the field `file`, read as the body arrives."""

from __future__ import annotations

import re

from multipart import MultipartError, ParserLimitReached, PushMultipartParser, parse_options_header

from service.errors import MalformedBodyError, NoImageError, TooManyFilesError, WrongFieldError

FIELD = "file"
HEADER_CHARSET = "latin-1"
"""Encoding that decodes any part header, so that file names that are not UTF-8 do not fail; see `header_text`."""
MAX_BOUNDARY_LENGTH = 70
"""See RFC 2046, section 5.1.1."""

_PLAIN_TYPE = re.compile(r"multipart/form-data; ?boundary=([0-9A-Za-z_-]{1,70})")
_PLAIN_HEAD = re.compile(
    rb'\r\nContent-Disposition: form-data; name="file"(?:; filename="([ !#$&-\[\]-~]{0,255})")?\r\n'
    rb"(?:Content-Type: [!-~]{1,127}\r\n)?\r\n"
)
"""Head of a part as browsers, curl, requests and httpx send it, without escapes in the file name."""


def header_text(decoded: str) -> str:
    r"""Text of a part's header that was decoded with HEADER_CHARSET: UTF-8, with other bytes as escapes like `\xe9`."""
    try:
        return decoded.encode(HEADER_CHARSET).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return decoded


def read_boundary(content_type: str) -> str:
    """Boundary in the value of a Content-Type header.

    Raises:
        MalformedBodyError: it has no valid boundary.
    """
    boundary: str | None = parse_options_header(content_type)[1].get("boundary")
    if not boundary or len(boundary) > MAX_BOUNDARY_LENGTH:
        raise MalformedBodyError(
            f"the Content-Type multipart/form-data has no boundary of 1 to {MAX_BOUNDARY_LENGTH} characters: send the "
            "header that the HTTP library makes for a form"
        )
    return boundary


class MultipartImages:
    """Parser for the files of the field `file` in a multipart/form-data body: feed every chunk, then finish."""

    def __init__(self, content_type: str, *, max_files: int) -> None:
        """`content_type` is the value of the Content-Type header.

        Raises:
            MalformedBodyError: it has no valid boundary.
        """
        plain = _PLAIN_TYPE.fullmatch(content_type)
        self._boundary = plain[1] if plain else read_boundary(content_type)
        self._max_files = max_files
        self._files: list[tuple[str | None, list[bytes]]] = []
        self._is_complete = False
        self._parser = None if plain else self._new_parser()

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes of the body, at least one.

        Raises:
            MalformedBodyError: the body is not valid multipart.
            WrongFieldError: the form has a field other than `file`.
            TooManyFilesError: the form has more files than allowed.
        """
        if self._parser is None:
            if self._is_complete:
                return  # as the parser does with bytes after the last boundary
            only = _only_file(chunk, b"\r\n--" + self._boundary.encode())
            if only is not None:
                self._files.append(only)
                self._is_complete = True
                return
            self._parser = self._new_parser()
        try:
            for event in self._parser.parse(chunk):
                if event is None:
                    continue
                if isinstance(event, bytes | bytearray):
                    self._files[-1][1].append(bytes(event))
                elif event.name != FIELD:
                    raise WrongFieldError(header_text(event.name), FIELD)
                else:
                    self._files.append((header_text(event.filename or "") or None, []))
        except MultipartError as error:
            cause = _without_frames(error)
            if isinstance(error, ParserLimitReached) and len(self._files) == self._max_files:
                raise TooManyFilesError(self._max_files) from cause
            raise MalformedBodyError(f"the multipart body cannot be parsed: {error}") from cause

    def finish(self) -> list[tuple[str | None, bytes]]:
        """File name (or None) and content of every part, in order.

        Raises:
            MalformedBodyError: the body ended before its last boundary.
            NoImageError: the form is empty.
        """
        try:
            if not self._is_complete:
                (self._parser or self._new_parser()).close()
        except MultipartError as error:
            raise MalformedBodyError("the multipart body ends before its last boundary") from _without_frames(error)
        if not self._files:
            raise NoImageError(f"the form is empty: send images as files in the field {FIELD!r}")
        return [(filename, b"".join(parts)) for filename, parts in self._files]

    def _new_parser(self) -> PushMultipartParser:
        try:
            return PushMultipartParser(self._boundary, max_segment_count=self._max_files, header_charset=HEADER_CHARSET)
        except MultipartError as error:
            raise MalformedBodyError(f"the multipart boundary cannot be used: {error}") from error


def _only_file(body: bytes, delimiter: bytes) -> tuple[str | None, list[bytes]] | None:
    """File name and content of a whole form with one file and a plain head; None for others, which the parser reads.

    Most forms are of this kind. This takes a quarter of the time of the parser, with the same result.
    """
    head = _PLAIN_HEAD.match(body, len(delimiter) - 2) if body.startswith(delimiter[2:]) else None
    if head is None:
        return None
    start = head.end()
    end = body.find(delimiter, start)
    if end < 0 or body[end + len(delimiter) :] not in (b"--\r\n", b"--"):
        return None
    return (head[1].decode("ascii") if head[1] else None), [body[start:end]]


def _without_frames(error: MultipartError) -> MultipartError:
    """The error without its traceback, which would keep the parser and the body alive in a reference cycle."""
    return error.with_traceback(None)

"""Takes the files out of a multipart/form-data body as it streams in."""

from __future__ import annotations

from multipart import MultipartError, ParserLimitReached, PushMultipartParser, parse_options_header

from service.errors import MalformedBodyError, NoImageError, TooManyFilesError, WrongFieldError

FIELD = "file"
MAX_BOUNDARY_LENGTH = 70
"""RFC 2046, section 5.1.1."""


class MultipartImages:
    """Collects the files of the field `file`; feed it every chunk of a body, then finish."""

    def __init__(self, content_type: str, *, max_files: int) -> None:
        """`content_type` is the whole header.

        Raises:
            MalformedBodyError: it names no usable boundary.
        """
        boundary = parse_options_header(content_type)[1].get("boundary")
        if not boundary or len(boundary) > MAX_BOUNDARY_LENGTH:
            raise MalformedBodyError(
                f"the Content-Type multipart/form-data names no boundary of 1 to {MAX_BOUNDARY_LENGTH} characters"
            )
        try:
            self._parser = PushMultipartParser(boundary, max_segment_count=max_files)
        except MultipartError as error:
            raise MalformedBodyError(f"the multipart boundary cannot be used: {error}") from error
        self._max_files = max_files
        self._files: list[tuple[str | None, list[bytes]]] = []

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the body, at least one.

        Raises:
            MalformedBodyError: they are not multipart.
            WrongFieldError, TooManyFilesError: the form holds something else than a few images.
        """
        try:
            for event in self._parser.parse(chunk):
                if event is None:
                    continue
                if isinstance(event, bytes | bytearray):
                    self._files[-1][1].append(bytes(event))
                elif event.name != FIELD:
                    raise WrongFieldError(event.name, FIELD)
                else:
                    self._files.append((event.filename or None, []))
        except MultipartError as error:
            cause = _without_frames(error)
            if isinstance(error, ParserLimitReached) and len(self._files) == self._max_files:
                raise TooManyFilesError(self._max_files) from cause
            raise MalformedBodyError(f"the multipart body cannot be parsed: {error}") from cause

    def finish(self) -> list[tuple[str | None, bytes]]:
        """File name, where one was given, and content of every part, in order.

        Raises:
            MalformedBodyError: the body ended early.
            NoImageError: it holds no part.
        """
        try:
            self._parser.close()
        except MultipartError as error:
            raise MalformedBodyError("the multipart body ends before its last boundary") from _without_frames(error)
        if not self._files:
            raise NoImageError(f"the form is empty: send images as files in the field {FIELD!r}")
        return [(filename, b"".join(parts)) for filename, parts in self._files]


def _without_frames(error: MultipartError) -> MultipartError:
    """The error alone: the parser and its frames hold each other through it, and with them the body for long."""
    return error.with_traceback(None)

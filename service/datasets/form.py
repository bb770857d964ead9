"""Multipart parser for a body on disk, with one file in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from multipart import MultipartError, ParserLimitReached, PushMultipartParser, parse_options_header

from service.datasets.files import Candidate, Skipped, too_large
from service.datasets.limits import Limits
from service.errors import MalformedBodyError, TooManyFilesError, WrongFieldError
from service.http.multipart import FIELD, MAX_BOUNDARY_LENGTH

_CHUNK = 1024 * 1024


def read_images(path: Path, content_type: str, label: str, limits: Limits) -> Iterator[Candidate | Skipped]:
    """Yield the files of the field `file`, each an image of class `label`.

    Raises:
        MalformedBodyError: the body is not multipart, or is truncated.
        WrongFieldError, TooManyFilesError: the form has another field, or more files than allowed.
    """
    name, content, oversize = "", bytearray(), False
    for event in _events(path, content_type, limits.images):
        if isinstance(event, str):
            name, content, oversize = event, bytearray(), False
        elif event is None:
            yield Skipped(name, too_large(limits.image_bytes)) if oversize else Candidate(name, label, bytes(content))
        elif len(content) + len(event) > limits.image_bytes:
            oversize = True
        else:
            content += event


def write_single_file(path: Path, content_type: str, target: Path) -> None:
    """Write the only file of the field `file` to `target`.

    Raises:
        MalformedBodyError, WrongFieldError: as `read_images`.
        TooManyFilesError: there are several files.
    """
    with target.open("wb") as out:
        for event in _events(path, content_type, 1):
            if event is not None and not isinstance(event, str):
                out.write(event)


def _events(path: Path, content_type: str, max_parts: int) -> Iterator[str | bytes | bytearray | None]:
    """Yield for each file its name, its content in chunks, and None."""
    boundary = parse_options_header(content_type)[1].get("boundary")
    if not boundary or len(boundary) > MAX_BOUNDARY_LENGTH:
        raise MalformedBodyError(
            f"the Content-Type multipart/form-data has no boundary of 1 to {MAX_BOUNDARY_LENGTH} characters"
        )
    files = 0
    try:
        with path.open("rb") as stream, PushMultipartParser(boundary, max_segment_count=max_parts) as parser:
            while not parser.closed:
                # An empty chunk marks the end of the body.
                for event in parser.parse(stream.read(_CHUNK)):
                    if event is None or isinstance(event, bytes | bytearray):
                        yield event
                        continue
                    if event.name != FIELD:
                        raise WrongFieldError(event.name, FIELD)
                    files += 1
                    yield event.filename or f"file {files}"
    except ParserLimitReached as error:
        if files == max_parts:
            raise TooManyFilesError(max_parts) from error
        raise MalformedBodyError(f"the multipart body cannot be parsed: {error}") from error
    except MultipartError as error:
        raise MalformedBodyError(f"the multipart body cannot be parsed: {error}") from error

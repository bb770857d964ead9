"""Takes files out of a multipart body that lies on disk, holding one of them in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from multipart import MultipartError, ParserLimitReached, PushMultipartParser, parse_options_header

from service.datasets.files import Candidate, Skipped, too_large
from service.datasets.limits import Limits
from service.errors import MalformedBodyError, TooManyFilesError, WrongFieldError
from service.http.request_body import FIELD, MAX_BOUNDARY_LENGTH

_CHUNK = 1024 * 1024


def read_images(path: Path, content_type: str, label: str, limits: Limits) -> Iterator[Candidate | Skipped]:
    """The files of the field `file`, each an image of class `label`.

    Raises:
        MalformedBodyError: the body is not multipart, or ends early.
        WrongFieldError, TooManyFilesError: the form holds something else, or more than a data set may.
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
    """Write the one file of the field `file` to `target`.

    Raises:
        MalformedBodyError, WrongFieldError: as above.
        TooManyFilesError: there are several.
    """
    with target.open("wb") as out:
        for event in _events(path, content_type, 1):
            if event is not None and not isinstance(event, str):
                out.write(event)


def _events(path: Path, content_type: str, max_parts: int) -> Iterator[str | bytes | bytearray | None]:
    """For each file its name, then its content in pieces, then None."""
    boundary = parse_options_header(content_type)[1].get("boundary")
    if not boundary or len(boundary) > MAX_BOUNDARY_LENGTH:
        raise MalformedBodyError(
            f"the Content-Type multipart/form-data names no boundary of 1 to {MAX_BOUNDARY_LENGTH} characters"
        )
    files = 0
    try:
        with path.open("rb") as stream, PushMultipartParser(boundary, max_segment_count=max_parts) as parser:
            while not parser.closed:
                # An empty piece says that the body ends here.
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

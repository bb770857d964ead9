"""Errors in what a client sent: the body, the image in it, the query beside it."""

# ruff: noqa: D102 - `example` is documented once, in the base class
from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from service.errors.base import ProblemError

CLOSE = {"Connection": "close"}


class InvalidParametersError(ProblemError):
    """A query or path parameter is missing, unknown or out of range."""

    status, slug, title = 422, "invalid-parameters", "A parameter is not valid"

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        """`errors` are pairs of a parameter's name and what is wrong with it."""
        detail = "; ".join(f"{parameter}: {message}" for parameter, message in errors)
        super().__init__(detail, errors=[{"parameter": name, "message": message} for name, message in errors])

    @classmethod
    def example(cls) -> Self:
        return cls([("top_k", "Input should be greater than or equal to 1")])


class MalformedBodyError(ProblemError):
    """The body is not what its content type says."""

    status, slug, title = 400, "malformed-body", "The body cannot be parsed"

    @classmethod
    def example(cls) -> Self:
        return cls("the multipart body ends before its last boundary")


class WrongFieldError(ProblemError):
    """A multipart field of another name than the one that holds images."""

    status, slug, title = 422, "wrong-field", "A form field has the wrong name"

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(
            f"found the form field {found!r}, expected {expected!r}: send images as files in {expected!r} "
            "and everything else as query parameters",
            found=found,
            expected=expected,
        )

    @classmethod
    def example(cls) -> Self:
        return cls("image", "file")


class NoImageError(ProblemError):
    """The body holds no image at all."""

    status, slug, title = 422, "no-image", "There is no image in the request"

    @classmethod
    def example(cls) -> Self:
        return cls("the body is empty: send one image as the body, or files in the multipart field 'file'")


class TooManyFilesError(ProblemError):
    """More files in one request than allowed."""

    status, slug, title = 422, "too-many-files", "Too many files in one request"

    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {limit} files are taken here in one request: send several requests", limit=limit)

    @classmethod
    def example(cls) -> Self:
        return cls(64)


class UnsupportedMediaTypeError(ProblemError):
    """The body is of a type that the route does not read."""

    status, slug, title = 415, "unsupported-media-type", "The body's content type is not read here"
    accepted = ("multipart/form-data", "image/*", "application/octet-stream")

    def __init__(self, found: str | None) -> None:
        said = f"Content-Type {found!r} is not read here" if found else "the request has no Content-Type"
        super().__init__(f"{said}: send one of {', '.join(self.accepted)}", found=found, accepted=list(self.accepted))

    @classmethod
    def example(cls) -> Self:
        return cls("application/json")


class BodyTooLargeError(ProblemError):
    """The body is larger than allowed; known from its length, or while it is read."""

    status, slug, title = 413, "body-too-large", "The body is too large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"a body may have at most {limit} bytes", headers=CLOSE, limit_bytes=limit)

    @classmethod
    def example(cls) -> Self:
        return cls(16 * 1024 * 1024)


class BodyTimeoutError(ProblemError):
    """The body did not arrive before the request's deadline."""

    status, slug, title = 408, "body-timeout", "The body came too slowly"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body was not complete after {seconds:g} s", headers=CLOSE)

    @classmethod
    def example(cls) -> Self:
        return cls(10)


class UnreadableImageError(ProblemError):
    """A file is not an image, is cut short, or is damaged."""

    status, slug, title = 422, "unreadable-image", "The image cannot be read"

    def __init__(self, detail: str, *, filename: str | None, index: int) -> None:
        """`index` counts the files of the request from 0."""
        super().__init__(detail, filename=filename, index=index)

    @classmethod
    def example(cls) -> Self:
        return cls("rex.png is not an image that can be read", filename="rex.png", index=0)


class TooManyPixelsError(UnreadableImageError):
    """An image has more pixels than allowed; judged by its header alone."""

    status, slug, title = 422, "too-many-pixels", "The image has too many pixels"

    @classmethod
    def example(cls) -> Self:
        return cls("the image has 20000x20000 pixels, more than allowed", filename="wall.png", index=0)


class UnsupportedImageFormatError(UnreadableImageError):
    """A file is an image, but of a format outside the allow-list."""

    status, slug, title = 415, "unsupported-image-format", "The image format is not read here"

    @classmethod
    def example(cls) -> Self:
        return cls("TGA images are not read here", filename="rex.tga", index=0)


class ClientGoneError(ProblemError):
    """The client hung up; nobody will read the answer, only the log."""

    status, slug, title = 499, "client-gone", "The client closed the connection"

    @classmethod
    def example(cls) -> Self:
        return cls("the client closed the connection before its answer was ready")

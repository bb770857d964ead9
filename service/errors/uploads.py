"""Errors in the request: its body, the images in it, its parameters."""

from __future__ import annotations

from collections.abc import Sequence

from service.errors.base import ProblemError

CLOSE = {"Connection": "close"}


class InvalidParametersError(ProblemError):
    """A query or path parameter is missing, unknown or out of range."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        """`errors` are pairs of a parameter's name and its problem."""
        detail = "; ".join(f"{parameter}: {message}" for parameter, message in errors)
        super().__init__(detail, errors=[{"parameter": name, "message": message} for name, message in errors])


class MalformedBodyError(ProblemError):
    """The body does not match its content type."""


class WrongFieldError(ProblemError):
    """A multipart field has another name than the one of images."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(
            f"found the form field {found!r}, expected {expected!r}: send images as files in {expected!r} "
            "and everything else as query parameters",
            found=found,
            expected=expected,
        )


class NoImageError(ProblemError):
    """The body contains no image."""


class TooManyFilesError(ProblemError):
    """The request contains more files than allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a request may contain at most {limit} files: send several requests", limit=limit)


class UnsupportedMediaTypeError(ProblemError):
    """The route does not support the content type of the body."""

    accepted = ("multipart/form-data", "image/*", "application/octet-stream")

    def __init__(self, found: str | None) -> None:
        problem = f"Content-Type {found!r} is not supported" if found else "the request has no Content-Type"
        listed = ", ".join(self.accepted)
        super().__init__(f"{problem}: send one of {listed}", found=found, accepted=list(self.accepted))


class BodyTooLargeError(ProblemError):
    """The body is larger than allowed, according to its length or while it is read."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a body may have at most {limit} bytes", headers=CLOSE, limit_bytes=limit)


class BodyTimeoutError(ProblemError):
    """The body did not arrive before the request's deadline."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body was not complete after {seconds:g} s", headers=CLOSE)


class UnreadableImageError(ProblemError):
    """A file is not an image, or is truncated or damaged."""

    def __init__(self, detail: str, *, filename: str | None, index: int) -> None:
        """`index` counts the files of the request from 0."""
        super().__init__(detail, filename=filename, index=index)


class TooManyPixelsError(UnreadableImageError):
    """An image has more pixels than allowed, according to its header."""


class UnsupportedImageFormatError(UnreadableImageError):
    """An image has a format outside the allow-list."""


class ClientGoneError(ProblemError):
    """The client closed the connection; only the log shows the response."""


class InvalidInferenceError(ProblemError):
    """The request is well-formed, but the protocol or the model does not support it."""


class UnsupportedEncodingError(ProblemError):
    """The compression of the body is not supported."""

    accepted = ("gzip", "deflate")

    def __init__(self, found: str) -> None:
        listed = ", ".join(self.accepted)
        super().__init__(
            f"Content-Encoding {found!r} is not supported: send {listed}, or no Content-Encoding",
            headers={"Accept-Encoding": listed},
            found=found,
            accepted=list(self.accepted),
        )

"""Errors of a request: its key, origin, parameters, body and images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from service.errors.base import ProblemError, TooManyRequestsError

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
        super().__init__(
            f"a body may have at most {limit} bytes: send less in one request", headers=CLOSE, limit_bytes=limit
        )


class BodyTimeoutError(ProblemError):
    """The body did not arrive before the request's deadline."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the body was not complete after {seconds:g} s: send it faster, or send less in one request", headers=CLOSE
        )


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
    """The compression of the body is not supported; `accepted` are those that the route supports."""

    def __init__(self, found: str, accepted: Sequence[str] = ("gzip", "deflate")) -> None:
        advice = f"send {', '.join(accepted)}, or no Content-Encoding" if accepted else "send the body uncompressed"
        super().__init__(
            f"Content-Encoding {found!r} is not supported here: {advice}",
            headers={"Accept-Encoding": ", ".join(accepted) or "identity"},
            found=found,
            accepted=list(accepted),
        )


class NoGradientError(ProblemError):
    """The version was published without a gradient graph."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"{reference} has no gradient.onnx: publish it again with `duet export {reference}`")


class UnknownTargetError(ProblemError):
    """The target is not a class of the model; the response lists the classes."""

    def __init__(self, target: str, classes: Sequence[str]) -> None:
        listed = ", ".join(f"{index} {label}" for index, label in enumerate(classes))
        super().__init__(f"unknown class {target!r}: send a name or an index of {listed}", classes=list(classes))


class MethodDoesNotFitError(ProblemError):
    """The method does not support the model; the response lists the methods that do."""

    def __init__(
        self,
        method: str,
        reference: str,
        fitting: Sequence[str],
        *,
        needed: Literal["feature maps", "gradients"] = "feature maps",
    ) -> None:
        reason = (
            f"gradients, and {reference} was imported as a graph, which has none"
            if needed == "gradients"
            else f"the feature maps of a convolutional network, and {reference} has none"
        )
        super().__init__(
            f"{method} needs {reason}: use {'one of ' if len(fitting) > 1 else ''}{', '.join(fitting)}",
            method=method,
            available=list(fitting),
        )


class TooManyExplanationsError(TooManyRequestsError):
    """The limit of simultaneous explanations is reached."""

    def __init__(self, running: int, retry_after_seconds: float) -> None:
        super().__init__(f"{running} explanations are running", retry_after_seconds)


class TooManyEvaluationsError(ProblemError):
    """A request without a key needs more evaluations of models than allowed."""

    def __init__(self, evaluations: int, limit: int) -> None:
        super().__init__(
            f"the request needs {evaluations} evaluations of models (a gradient counts as three), the limit without a "
            f"key is {limit}: request fewer images, models, methods, steps or windows, or send a key",
            evaluations=evaluations,
            limit=limit,
        )


class NotAcceptableError(ProblemError):
    """The client accepts none of the media types that the route produces."""

    def __init__(self, accept: str, available: Sequence[str]) -> None:
        super().__init__(
            f"no response matches Accept {accept!r}: send one of {', '.join(available)}, or choose with `format`",
            available=list(available),
        )


class HostNotAllowedError(ProblemError):
    """The Host header names another host than this service."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"the Host {host!r} is not an address, localhost or a name in DUET_ALLOWED_HOSTS: if it is a name of this "
            "service, add it there",
            host=host,
        )


class InvalidHostError(ProblemError):
    """An HTTP/1.1 request has no Host header, or several; see RFC 9112, section 3.2."""

    def __init__(self, *, repeated: bool) -> None:
        found = "several Host headers" if repeated else "no Host header"
        super().__init__(f"the request has {found}: send exactly one", headers=CLOSE)


class CrossOriginError(ProblemError):
    """A browser sent the session cookie from a page of another origin."""

    def __init__(self, origin: str) -> None:
        stated = f"comes from {origin!r}" if origin else "has no Origin"
        super().__init__(
            f"the session cookie is valid only for this service's own pages, and this request {stated}: send a key "
            "instead"
        )

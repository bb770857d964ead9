"""Errors of explanations."""

from __future__ import annotations

from collections.abc import Sequence

from service.errors.base import BusyError, ProblemError


class NoGradientError(ProblemError):
    """The version was published without a gradient graph."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"{reference} has no gradient.onnx: publish it again with `duet export {reference}`")


class UnknownTargetError(ProblemError):
    """The target is not a class of the model; the response lists the classes."""

    def __init__(self, target: str, classes: Sequence[str]) -> None:
        listed = ", ".join(f"{index} {label}" for index, label in enumerate(classes))
        super().__init__(f"no class {target!r}: send a name or an index of {listed}", classes=list(classes))


class MethodDoesNotFitError(ProblemError):
    """The method does not support the model; the response lists the methods that do."""

    def __init__(self, method: str, reference: str, fitting: Sequence[str]) -> None:
        super().__init__(
            f"{method} needs the feature maps of a convolutional network, and {reference} has none: "
            f"use one of {', '.join(fitting)}",
            method=method,
            available=list(fitting),
        )


class TooManyExplanationsError(BusyError):
    """The limit of simultaneous explanations is reached."""

    def __init__(self, running: int, retry_after_seconds: float) -> None:
        super().__init__(f"{running} explanations are running", retry_after_seconds)


class NotAcceptableError(ProblemError):
    """The client accepts none of the media types that the route produces."""

    def __init__(self, accept: str, available: Sequence[str]) -> None:
        super().__init__(
            f"Accept {accept!r} includes none of {', '.join(available)}: send one of them, or choose with `format`",
            available=list(available),
        )

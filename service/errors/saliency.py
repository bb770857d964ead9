"""Errors of explanations."""

# ruff: noqa: D102 - `example` is documented once, in the base class
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

from service.errors.base import ProblemError


class NoGradientError(ProblemError):
    """The version was published before versions had a gradient graph."""

    status, slug, title = 409, "no-gradient", "The version cannot be explained"

    def __init__(self, reference: str) -> None:
        super().__init__(f"{reference} has no gradient.onnx: publish it again with `duet export {reference}`")

    @classmethod
    def example(cls) -> Self:
        return cls("cnn@1")


class UnknownTargetError(ProblemError):
    """The target is not a class of the model; the answer lists them."""

    status, slug, title = 422, "unknown-target", "The target is not a class of the model"

    def __init__(self, target: str, classes: Sequence[str]) -> None:
        listed = ", ".join(f"{index} {label}" for index, label in enumerate(classes))
        super().__init__(f"no class {target!r}: name one, or its index, of {listed}", classes=list(classes))

    @classmethod
    def example(cls) -> Self:
        return cls("tiger", ["cat", "dog"])


class MethodDoesNotFitError(ProblemError):
    """The method needs what the model does not have; the answer lists the methods that fit."""

    status, slug, title = 422, "method-does-not-fit", "The method does not fit the model"

    def __init__(self, method: str, reference: str, fitting: Sequence[str]) -> None:
        super().__init__(
            f"{method} needs the feature maps of a convolutional network, which {reference} is not: "
            f"use one of {', '.join(fitting)}",
            method=method,
            available=list(fitting),
        )

    @classmethod
    def example(cls) -> Self:
        return cls("grad_cam", "mlp@1", ["saliency", "integrated_gradients"])


class TooManyExplanationsError(ProblemError):
    """As many explanations are being made as are allowed at a time."""

    status, slug, title = 429, "too-many-explanations", "Too many explanations at a time"

    def __init__(self, running: int, retry_after_seconds: float) -> None:
        milliseconds = max(1, math.ceil(retry_after_seconds * 1000))
        super().__init__(
            f"{running} explanations are being made: try again in {milliseconds} ms",
            headers={"Retry-After": str(math.ceil(milliseconds / 1000))},
            retry_after_ms=milliseconds,
        )

    @classmethod
    def example(cls) -> Self:
        return cls(8, 0.2)


class NotAcceptableError(ProblemError):
    """None of the media types that the client accepts can be made here."""

    status, slug, title = 406, "not-acceptable", "No acceptable media type"

    def __init__(self, accept: str, available: Sequence[str]) -> None:
        super().__init__(
            f"Accept {accept!r} names none of {', '.join(available)}; `format` chooses one as well",
            available=list(available),
        )

    @classmethod
    def example(cls) -> Self:
        return cls("text/html", ["image/png", "application/x-npy", "application/json"])

"""Errors in requests of the Open Inference Protocol."""

# ruff: noqa: D102 - `example` is documented once, in the base class
from __future__ import annotations

from typing import Self

from service.errors.base import ProblemError


class InvalidInferenceError(ProblemError):
    """The request is well-formed, but asks for what the protocol or the model does not have."""

    status, slug, title = 400, "invalid-inference-request", "The inference request does not fit the model"

    @classmethod
    def example(cls) -> Self:
        return cls("the input 'images' is UINT8, not FP32")


class UnsupportedEncodingError(ProblemError):
    """The body is compressed in a way that is not read here."""

    status, slug, title = 415, "unsupported-encoding", "The body's content encoding is not read here"
    accepted = ("gzip", "deflate")

    def __init__(self, found: str) -> None:
        listed = ", ".join(self.accepted)
        super().__init__(
            f"Content-Encoding {found!r} is not read here: send one of {listed}, or none",
            headers={"Accept-Encoding": listed},
            found=found,
            accepted=list(self.accepted),
        )

    @classmethod
    def example(cls) -> Self:
        return cls("br")

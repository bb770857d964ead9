"""Errors of models, their versions and promotions."""

from __future__ import annotations

from collections.abc import Sequence

from core.gate.report import GateReport
from service.errors.base import ProblemError


class UnknownModelError(ProblemError):
    """No model family has this name; the response lists the existing ones."""

    def __init__(self, model: str, available: Sequence[str]) -> None:
        listed = f"there are {', '.join(available)}" if available else "none is published yet"
        super().__init__(f"no model {model!r}: {listed}", available=list(available))


class UnknownModelVersionError(ProblemError):
    """The family has no such version, or no champion; the response lists its versions."""

    def __init__(self, model: str, version: int | str | None, available: Sequence[int]) -> None:
        """`version` is the client's text, which may not be a number."""
        listed = f"there are {', '.join(map(str, available))}" if available else "it has none"
        missing = f"no version {version} of {model!r}" if version is not None else f"{model!r} has no champion"
        super().__init__(f"{missing}: {listed}", model=model, available=list(available))


class VersionRefusedError(ProblemError):
    """A version exists but is not served, because its files do not match its manifest."""

    def __init__(self, model: str, version: int, reason: str) -> None:
        super().__init__(f"this version is not served: {reason}", model=model, version=version)


class PrecisionNotPublishedError(ProblemError):
    """The version was published without this precision; the response lists its precisions."""

    def __init__(self, reference: str, precision: str, available: Sequence[str]) -> None:
        super().__init__(
            f"{reference} was published without {precision}: it has {', '.join(available)}", available=list(available)
        )


class NoSuchVersionFileError(ProblemError):
    """The version was published without this card or figure."""

    def __init__(self, reference: str, name: str) -> None:
        super().__init__(f"{reference} was published without {name}: its manifest lists its files")


class ViewsNotMeasuredError(ProblemError):
    """The version was published without thresholds for test-time augmentation."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"{reference} has no temperature and thresholds for test-time augmentation: publish its weights again with "
            f"`duet export {reference}`"
        )


class DifferentDataError(ProblemError):
    """Two versions were evaluated on different images, so that their scores are not comparable."""

    def __init__(self, digests: dict[str, str]) -> None:
        """`digests` maps the reference of each version to the digest of its evaluation data."""
        stated = ", ".join(f"{reference} on {digest}" for reference, digest in digests.items())
        super().__init__(f"not comparable: {stated}; evaluate both on the same data first", digests=digests)


class NoEvaluationError(ProblemError):
    """A version has no stored evaluation or predictions."""


class GateRefusedError(ProblemError):
    """The gate rejected a candidate for champion; the response contains the whole report."""

    def __init__(self, report: GateReport) -> None:
        super().__init__(
            f"{report.summary}; to promote it anyway, send force with a reason",
            report=report.model_dump(mode="json"),
        )

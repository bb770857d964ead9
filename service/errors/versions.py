"""Errors about models and their versions."""

# ruff: noqa: D102 - `example` is documented once, in the base class
from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from service.errors.base import ProblemError


class UnknownModelError(ProblemError):
    """No model family of this name; the answer lists those that exist."""

    status, slug, title = 404, "unknown-model", "There is no such model"

    def __init__(self, model: str, available: Sequence[str]) -> None:
        there_are = f"there are {', '.join(available)}" if available else "none is published yet"
        super().__init__(f"no model {model!r}: {there_are}", available=list(available))

    @classmethod
    def example(cls) -> Self:
        return cls("vit", ["cnn", "mlp"])


class UnknownModelVersionError(ProblemError):
    """No such version of a family, or no champion to stand in for it; the answer lists the versions that exist."""

    status, slug, title = 404, "unknown-version", "There is no such version of the model"

    def __init__(self, model: str, version: int | str | None, available: Sequence[int]) -> None:
        """`version` as the client named it, which need not be a number."""
        listed = f"there are {', '.join(map(str, available))}" if available else "it has none"
        missing = f"no version {version} of {model!r}" if version is not None else f"{model!r} has no champion"
        super().__init__(f"{missing}: {listed}", model=model, available=list(available))

    @classmethod
    def example(cls) -> Self:
        return cls("cnn", 9, [1, 2, 3])


class VersionRefusedError(ProblemError):
    """A version exists but is not served, because its files are not what its manifest says."""

    status, slug, title = 409, "version-refused", "This version is refused"

    def __init__(self, model: str, version: int, reason: str) -> None:
        super().__init__(f"this version is refused: {reason}", model=model, version=version)

    @classmethod
    def example(cls) -> Self:
        return cls("cnn", 3, "cnn@3: weights.safetensors: 9 bytes instead of 8571324")


class PrecisionNotPublishedError(ProblemError):
    """The version was published without this precision; the answer lists those it has."""

    status, slug, title = 404, "precision-not-published", "The version has no such precision"

    def __init__(self, reference: str, precision: str, available: Sequence[str]) -> None:
        super().__init__(
            f"{reference} was published without {precision}: it has {', '.join(available)}", available=list(available)
        )

    @classmethod
    def example(cls) -> Self:
        return cls("cnn@3", "int8", ["fp32"])


class NoSuchVersionFileError(ProblemError):
    """The version was published without this card or figure."""

    status, slug, title = 404, "no-such-file", "The version has no such file"

    def __init__(self, reference: str, name: str) -> None:
        super().__init__(f"{reference} was published without {name}: its manifest names the files that it has")

    @classmethod
    def example(cls) -> Self:
        return cls("cnn@3", "figures/history.png")


class ViewsNotMeasuredError(ProblemError):
    """The version was published before answers averaged over views were measured; `duet export` makes one that has."""

    status, slug, title = 409, "views-not-measured", "The version has no thresholds for averaged views"

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"{reference} has no temperature and thresholds for answers averaged over views: `duet export {reference}` "
            "publishes its weights again with them"
        )

    @classmethod
    def example(cls) -> Self:
        return cls("cnn@3")


class DifferentDataError(ProblemError):
    """Two versions were evaluated on different images, so that their scores cannot be compared."""

    status, slug, title = 409, "different-data", "The versions were evaluated on different data"

    def __init__(self, digests: dict[str, str]) -> None:
        """`digests` maps each version's reference to the digest of the data it was evaluated on."""
        stated = ", ".join(f"{reference} on {digest}" for reference, digest in digests.items())
        super().__init__(f"not comparable: {stated}; evaluate both on the same data first", digests=digests)

    @classmethod
    def example(cls) -> Self:
        return cls({"mlp@1": "3f" * 32, "cnn@2": "a0" * 32})


class NoEvaluationError(ProblemError):
    """A version has no stored evaluation or predictions to compare."""

    status, slug, title = 409, "no-evaluation", "A version has no stored evaluation"

    @classmethod
    def example(cls) -> Self:
        return cls("cnn@2 has no predictions.npz; publish the version again with `duet export`")

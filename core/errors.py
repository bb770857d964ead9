"""Exception classes for errors that a user can cause or must act on, and helpers for their messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


class DuetError(Exception):
    """Base of all errors that are shown to a user as a message instead of a traceback.

    Attributes:
        fields: values of the message by name, for programs; the API returns them beside the message.
    """

    def __init__(self, message: str = "", /, **fields: Any) -> None:
        super().__init__(message)
        self.fields = fields


class DataError(DuetError):
    """A data set is missing, damaged or unusable; the message names the file and what to do."""


class UnknownDatasetError(DataError):
    """No data set of the user's own images has this name; the message lists those that exist."""

    def __init__(self, name: str, available: Sequence[str], *, linked: bool = False) -> None:
        """`linked`: a link has this name."""
        listed = f"available data sets are {', '.join(available)}" if available else "no data set exists yet"
        note = " (links to other folders are not followed)" if linked else ""
        super().__init__(
            f"unknown data set {name!r}{did_you_mean(name, available)}{note}: "
            f"{listed}; send images to POST /datasets/{name}, or create the folder "
            f"datasets/{name} in DUET_HOME with one subfolder of images per class",
            available=list(available),
        )


class UnknownImageError(DataError):
    """A data set has no file of this name."""

    def __init__(self, dataset: str, file: str) -> None:
        super().__init__(f"the data set {dataset} has no file {file[:200]!r}: list its images again")


class JournalFullError(DataError):
    """The journal of edits of a data set has reached its maximum size."""

    def __init__(self, dataset: str, limit: int) -> None:
        super().__init__(
            f"the journal of edits of the data set {dataset} would exceed {limit:,} bytes: upload the corrected images "
            "as a new data set"
        )


class DifferentImagesError(DataError):
    """Two versions have different classes or were evaluated on different images, and cannot be compared.

    Attributes:
        digests: digest of the evaluation data by reference of the version.
        classes: names of the classes by reference, if they differ.
    """

    def __init__(
        self,
        digests: Mapping[str, str],
        *,
        classes: Mapping[str, Sequence[str]] | None = None,
        comparable: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`comparable` maps the reference of each version to versions that it can be compared with."""
        self.digests, self.classes = dict(digests), classes
        if classes:
            listed = "; ".join(f"{reference}: {shortened(names)}" for reference, names in classes.items())
            cause = f"they have different classes ({listed})"
        else:
            cause = f"they were evaluated on different test images ({' and '.join(digests.values())})"
        fields: dict[str, Any] = {"digests": self.digests}
        advice = (
            "choose two versions with the same classes and test images, such as two that were trained on the same data"
        )
        if comparable is not None:
            fields["comparable"] = {reference: list(others) for reference, others in comparable.items()}
            advice += "".join(
                f"; {reference} can be compared with {', '.join(others) or 'no other version'}"
                for reference, others in comparable.items()
            )
        super().__init__(f"{' and '.join(digests)} cannot be compared, because {cause}: {advice}", **fields)


class NotEvaluatedError(DataError):
    """The evaluation or predictions of a version are missing, unreadable, or of other images than those of another."""


class ImageError(DuetError):
    """The bytes are not a readable image."""


class ImageTooLargeError(ImageError):
    """The image has more pixels than allowed; checked from the header before decoding."""


class CropError(ImageError):
    """The requested crop is not within the image; the message has both sizes."""


class UnsupportedImageError(ImageError):
    """The bytes are an image in a format outside the allow-list."""


class ConfigurationError(DuetError):
    """A recipe name or an override is not valid."""


class SettingsError(ConfigurationError):
    """Settings of a recipe do not exist or do not validate.

    Attributes:
        problems: dotted name of each setting, such as `optimization.learning_rate`, and its problem.
    """

    def __init__(self, message: str, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__(message)


class CheckpointError(DuetError):
    """A checkpoint is missing, damaged, or belongs to another configuration."""


class TrainingDivergedError(DuetError):
    """The loss, the weights or the logits became NaN or infinite; the last good checkpoint is kept."""


class LowDiskError(DuetError):
    """Too little disk space is free to start; the message says where and how much is needed."""


class LowMemoryError(DuetError):
    """Too little memory is available to start; the message says how much is needed."""


class ExportError(DuetError):
    """The exported graph does not reproduce its network."""


class JobError(DuetError):
    """Base of the errors about jobs."""


class JobNotFoundError(JobError):
    """No such job: it never existed, or its record has expired."""


class JobFinishedError(JobError):
    """The job has finished; the message has its final state."""


class JobNotRetryableError(JobError):
    """Only a failed or cancelled job can be retried; the message has the current state."""


class LostClaimError(JobError):
    """The claim is not the newest, or the job has finished: its holder must stop immediately."""


class JobEventError(JobError):
    """A line is not a valid job message."""


class BrokerUnavailableError(JobError):
    """The broker cannot be reached or refuses to write; the message says what to do."""


class IdempotencyConflictError(JobError):
    """The idempotency key was already used for a different request."""


class IdempotencyInFlightError(JobError):
    """The first request with this idempotency key is still being processed."""


class RepositoryError(DuetError):
    """Base of the errors about model versions."""


class UnknownFamilyError(RepositoryError):
    """No model family has this name; the message lists those that exist."""

    def __init__(self, family: str, available: Sequence[str]) -> None:
        listed = f"available models are {', '.join(available)}" if available else "publish one with `duet train`"
        super().__init__(
            f"unknown model {family!r}{did_you_mean(family, available)}: {listed}", available=list(available)
        )


class UnknownVersionError(RepositoryError):
    """No such version of a family, or no champion; the message lists the versions that exist."""

    def __init__(
        self, family: str, version: int | str | None, available: Sequence[int], *, champion: bool = False
    ) -> None:
        """`version` may be text that is no number; None: the family has no champion. `champion`: it is the champion."""
        # Numbers are not compared: 3 is not a mistyped 13.
        names = [] if str(version).removeprefix("-").isdecimal() else ["champion", *map(str, available)]
        problem = f"unknown version {version} of {family}{did_you_mean(str(version), names)}"
        if version is None:
            problem = f"{family} has no champion"
        elif champion:
            problem = f"the champion of {family} is version {version}, which does not exist"
        super().__init__(
            f"{problem}: available versions are {', '.join(map(str, available))}",
            model=family,
            available=list(available),
        )


class CorruptVersionError(RepositoryError):
    """A version's files are missing or do not match the hashes in its manifest."""


class PublishError(RepositoryError):
    """A version could not be published; the message has its name and the reason."""


class RemoteError(RepositoryError):
    """A folder or a bucket with versions cannot be read or written, or has other content than expected."""


class UnknownEvaluationError(RepositoryError):
    """No such evaluation of a version."""


class CorruptEvaluationError(RepositoryError):
    """A file is not an evaluation record; the message has its path."""


class ChampionMovedError(RepositoryError):
    """The champion changed after the decision was made."""


class ChampionDeletionError(RepositoryError):
    """The champion of a family cannot be deleted."""


class ShippedVersionError(RepositoryError):
    """A version ships with the project, so that it cannot be deleted and its family cannot be archived."""


class NoChampionError(RepositoryError):
    """The family has no champion already."""


class NothingToRollBackError(RepositoryError):
    """There is no earlier champion to return to."""


def did_you_mean(name: str, existing: Iterable[str], *, least_similarity: float = 0.6) -> str:
    """Return ` (did you mean 'cnn_best'?)` with the most similar existing name, or an empty string.

    A dotted name is also found by its last part: `learning_rate` suggests `optimization.learning_rate`.

    Args:
        name: mistyped name.
        existing: valid names.
        least_similarity: ratio of difflib.SequenceMatcher that a suggestion must have.
    """
    names = list(existing)
    found = get_close_matches(name, names, n=1, cutoff=least_similarity)
    if not found:
        by_last_part = {each.rpartition(".")[2]: each for each in reversed(names)}
        found = [by_last_part[each] for each in get_close_matches(name, by_last_part, n=1, cutoff=least_similarity)]
    return f" (did you mean {found[0]!r}?)" if found else ""


def explain(error: ValidationError, *, at_most: int = 5) -> str:
    """Format a pydantic error as one line: the first invalid fields with their problems."""
    problems = [
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" if problem["loc"] else problem["msg"]
        for problem in error.errors(include_url=False, include_input=False)
    ]
    more = [f"and {len(problems) - at_most} more"] if len(problems) > at_most else []
    return "; ".join(problems[:at_most] + more)


def shortened(names: Sequence[str], *, at_most: int = 10) -> str:
    """The first names, and the number of the others: a data set may have 1,000 classes."""
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more

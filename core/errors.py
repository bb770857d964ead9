"""The errors a user can cause or must act on. Each says what is wrong and what to do about it.

DuetError
├── DataError               a data set is missing, damaged or unusable
│   ├── UnknownDatasetError     no labelled folder of this name
│   ├── DifferentImagesError    two versions did not answer to the same images
│   └── NotEvaluatedError       a version has no stored answers to be compared by
├── ImageError              an upload is not an image this project reads
│   ├── ImageTooLargeError  more pixels than allowed, judged by the header alone
│   ├── CropError           the part that is asked for is not within the image
│   └── UnsupportedImageError   an image, but of a format outside the allow-list
├── ConfigurationError      a recipe or an override does not validate
│   └── SettingsError       settings of a recipe do not exist or do not validate, each with its name
├── CheckpointError         a run cannot be resumed from what is on disk
├── TrainingDivergedError   loss, weights or answers are no longer finite
├── LowDiskError            too little disk space is free to begin what takes hours
├── ExportError             an exported graph disagrees with the network it came from
├── JobError                anything about jobs
│   ├── UnknownJobError
│   ├── JobFinishedError    it has ended, so there is nothing to cancel
│   ├── JobNotRetryableError    it still runs, or has succeeded
│   ├── LostClaimError      another attempt has the job now, or it has ended
│   ├── JobEventError       a line is not a message of a job
│   ├── BrokerUnavailableError  the broker that holds the jobs cannot be used
│   ├── IdempotencyConflictError    the idempotency key came with another request before
│   └── IdempotencyInFlightError    the first request with this idempotency key is still being answered
└── RepositoryError         anything about model versions
    ├── UnknownFamilyError
    ├── UnknownVersionError
    ├── CorruptVersionError a version's files do not match its manifest
    ├── PublishError        a version could not be put in place
    ├── UnknownEvaluationError
    ├── CorruptEvaluationError  a file is not the record of an evaluation
    ├── ChampionMovedError  another promotion came in between
    └── NothingToRollBackError
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class DuetError(Exception):
    """Base of every error that is shown to a user as a sentence rather than a traceback."""


class DataError(DuetError):
    """A data set is missing, damaged or unusable; the message names the file and what to do."""


class UnknownDatasetError(DataError):
    """No labelled folder of this name; the message lists those that exist."""


class DifferentImagesError(DataError):
    """Two versions cannot be compared, because they did not answer to the same images.

    Attributes:
        digests: of the data that each was evaluated on.
    """

    def __init__(self, first: str, second: str) -> None:
        self.digests = (first, second)
        super().__init__(
            f"the two versions did not answer to the same images: the first was evaluated on {first}, the second on "
            f"{second}; publish both again on the same data with `duet export`"
        )


class NotEvaluatedError(DataError):
    """A version was published without its evaluation or its answers, or they cannot be read."""


class ImageError(DuetError):
    """The bytes are not an image that can be read."""


class ImageTooLargeError(ImageError):
    """The image has more pixels than allowed; decided from the header, before pixels are decoded."""


class CropError(ImageError):
    """The part of the image that is asked for is not within it; the message has both sizes."""


class UnsupportedImageError(ImageError):
    """The bytes are an image, but of a format outside the allow-list."""


class ConfigurationError(DuetError):
    """A recipe name or an override is not valid."""


class SettingsError(ConfigurationError):
    """Settings of a recipe do not exist or do not validate.

    Attributes:
        problems: dotted name of each setting, such as `optimization.learning_rate`, and what is wrong with it.
    """

    def __init__(self, message: str, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__(message)


class CheckpointError(DuetError):
    """A checkpoint is missing, damaged, or belongs to another configuration."""


class TrainingDivergedError(DuetError):
    """The loss, the weights or the answers became NaN or infinite; the last good checkpoint is kept."""


class LowDiskError(DuetError):
    """Too little disk space is free to begin; the message says where, and how much there should be."""


class ExportError(DuetError):
    """The exported graph does not reproduce the network it was made from."""


class JobError(DuetError):
    """Base of the errors about jobs."""


class UnknownJobError(JobError):
    """No such job: it never was, or its record was removed after its time."""


class JobFinishedError(JobError):
    """The job has ended; the message says how."""


class JobNotRetryableError(JobError):
    """Only a job that failed or was cancelled can be tried again; the message says what it is doing."""


class LostClaimError(JobError):
    """The claim is no longer the newest, or the job has ended: whoever holds it must stop at once."""


class JobEventError(JobError):
    """A line is not a message of a job."""


class BrokerUnavailableError(JobError):
    """The broker that holds jobs cannot be reached or refuses to write; the message says what to do."""


class IdempotencyConflictError(JobError):
    """The idempotency key was used for a different request before."""


class IdempotencyInFlightError(JobError):
    """The first request with this idempotency key is still being answered."""


class RepositoryError(DuetError):
    """Base of the errors about model versions."""


class UnknownFamilyError(RepositoryError):
    """No such model family; the message lists those that exist."""


class UnknownVersionError(RepositoryError):
    """No such version of a family; the message lists those that exist."""


class CorruptVersionError(RepositoryError):
    """A version's files are missing or do not match the hashes in its manifest."""


class PublishError(RepositoryError):
    """A version could not be put in place; the message names it and says why."""


class UnknownEvaluationError(RepositoryError):
    """No such evaluation of a version."""


class CorruptEvaluationError(RepositoryError):
    """A file is not the record of an evaluation; the message names it."""


class ChampionMovedError(RepositoryError):
    """The champion is no longer the one that a decision was made against."""


class NothingToRollBackError(RepositoryError):
    """There is no earlier champion to return to."""


def explain(error: ValidationError, *, at_most: int = 5) -> str:
    """What pydantic found wrong, as one line: the first fields that are wrong, each with its problem."""
    problems = [
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" if problem["loc"] else problem["msg"]
        for problem in error.errors(include_url=False, include_input=False)
    ]
    more = [f"and {len(problems) - at_most} more"] if len(problems) > at_most else []
    return "; ".join(problems[:at_most] + more)

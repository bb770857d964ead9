"""API errors: exceptions independent of HTTP (one module per topic), and the table that maps them to HTTP responses.

An error of the job store or the repository, such as `core.errors.UnknownJobError`, is in the table under its own class.
"""

from __future__ import annotations

from service.errors.base import ProblemError
from service.errors.capacity import (
    DeadlineExceededError,
    InternalServiceError,
    MethodNotAllowedError,
    NotReadyError,
    QueueFullError,
    RouteNotFoundError,
)
from service.errors.datasets import (
    DatasetMediaTypeError,
    DatasetTooLargeError,
    NoSuchDatasetError,
    NoSuchSampleError,
    NoUsableImageError,
    StorageFullError,
    TooManyUploadsError,
    UnreadableArchiveError,
    UnsafeArchiveError,
)
from service.errors.jobs import (
    JobsNotConfiguredError,
    TooManyStreamsError,
    TrainingNotReadyError,
)
from service.errors.problem import EXAMPLE_REQUEST_ID, PROBLEM_MEDIA_TYPE, Problem, problem_of, responses
from service.errors.saliency import (
    MethodDoesNotFitError,
    NoGradientError,
    NotAcceptableError,
    TooManyExplanationsError,
    UnknownTargetError,
)
from service.errors.security import (
    CrossOriginError,
    HostNotAllowedError,
    KeyRefusedError,
    KeyRequiredError,
    ScopeRequiredError,
)
from service.errors.table import PROBLEMS
from service.errors.uploads import (
    BodyTimeoutError,
    BodyTooLargeError,
    ClientGoneError,
    InvalidInferenceError,
    InvalidParametersError,
    MalformedBodyError,
    NoImageError,
    TooManyFilesError,
    TooManyPixelsError,
    UnreadableImageError,
    UnsupportedEncodingError,
    UnsupportedImageFormatError,
    UnsupportedMediaTypeError,
    WrongFieldError,
)
from service.errors.versions import (
    DifferentDataError,
    GateRefusedError,
    NoEvaluationError,
    NoSuchVersionFileError,
    PrecisionNotPublishedError,
    UnknownModelError,
    UnknownModelVersionError,
    VersionRefusedError,
    ViewsNotMeasuredError,
)

__all__ = [
    "EXAMPLE_REQUEST_ID",
    "PROBLEMS",
    "PROBLEM_MEDIA_TYPE",
    "BodyTimeoutError",
    "BodyTooLargeError",
    "ClientGoneError",
    "CrossOriginError",
    "DatasetMediaTypeError",
    "DatasetTooLargeError",
    "DeadlineExceededError",
    "DifferentDataError",
    "GateRefusedError",
    "HostNotAllowedError",
    "InternalServiceError",
    "InvalidInferenceError",
    "InvalidParametersError",
    "JobsNotConfiguredError",
    "KeyRefusedError",
    "KeyRequiredError",
    "MalformedBodyError",
    "MethodDoesNotFitError",
    "MethodNotAllowedError",
    "NoEvaluationError",
    "NoGradientError",
    "NoImageError",
    "NoSuchDatasetError",
    "NoSuchSampleError",
    "NoSuchVersionFileError",
    "NoUsableImageError",
    "NotAcceptableError",
    "NotReadyError",
    "PrecisionNotPublishedError",
    "Problem",
    "ProblemError",
    "QueueFullError",
    "RouteNotFoundError",
    "ScopeRequiredError",
    "StorageFullError",
    "TooManyExplanationsError",
    "TooManyFilesError",
    "TooManyPixelsError",
    "TooManyStreamsError",
    "TooManyUploadsError",
    "TrainingNotReadyError",
    "UnknownModelError",
    "UnknownModelVersionError",
    "UnknownTargetError",
    "UnreadableArchiveError",
    "UnreadableImageError",
    "UnsafeArchiveError",
    "UnsupportedEncodingError",
    "UnsupportedImageFormatError",
    "UnsupportedMediaTypeError",
    "VersionRefusedError",
    "ViewsNotMeasuredError",
    "WrongFieldError",
    "problem_of",
    "responses",
]

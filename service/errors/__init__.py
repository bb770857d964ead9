"""Every error the API answers with: one tree, which also documents itself in OpenAPI.

ProblemError
├── InvalidParametersError 422      MalformedBodyError 400         WrongFieldError 422
├── NoImageError 422                TooManyFilesError 422          UnsupportedMediaTypeError 415
├── BodyTooLargeError 413           BodyTimeoutError 408           ClientGoneError 499
├── UnreadableImageError 422
│   ├── TooManyPixelsError 422
│   └── UnsupportedImageFormatError 415
├── UnknownModelError 404           UnknownModelVersionError 404   VersionRefusedError 409
├── DifferentDataError 409          NoEvaluationError 409          PrecisionNotPublishedError 404
├── ViewsNotMeasuredError 409       NoSuchVersionFileError 404
├── NotReadyError 503               QueueFullError 429             DeadlineExceededError 504
├── InvalidInferenceError 400       UnsupportedEncodingError 415
├── NoGradientError 409             UnknownTargetError 422         MethodDoesNotFitError 422
├── TooManyExplanationsError 429    NotAcceptableError 406
├── GateRefusedError 409            NothingToRollBackToError 409
├── KeyRequiredError 401            KeyRefusedError 401            ScopeRequiredError 403
├── HostNotAllowedError 403         CrossOriginError 403
├── JobNotFoundError 404              JobFinishedError 409              JobNotRetryableError 409
├── IdempotencyKeyReusedError 422   RequestInFlightError 409       TooManyStreamsError 429
├── JobsNotConfiguredError 503      BrokerDownError 503            TrainingNotReadyError 503
├── NoSuchDatasetError 404          DatasetMediaTypeError 415      DatasetTooLargeError 413
├── UnreadableArchiveError 422      UnsafeArchiveError 422         NoUsableImageError 422
├── TooManyUploadsError 429         StorageFullError 507           NoSuchSampleError 404
└── InternalServiceError 500        RouteNotFoundError 404         MethodNotAllowedError 405
"""

from __future__ import annotations

from service.errors.base import PROBLEM_MEDIA_TYPE, ProblemError, responses
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
from service.errors.inference import InvalidInferenceError, UnsupportedEncodingError
from service.errors.jobs import (
    BrokerDownError,
    IdempotencyKeyReusedError,
    JobFinishedError,
    JobNotFoundError,
    JobNotRetryableError,
    JobsNotConfiguredError,
    RequestInFlightError,
    TooManyStreamsError,
    TrainingNotReadyError,
    job_problem,
)
from service.errors.promotions import GateRefusedError, NothingToRollBackToError
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
from service.errors.uploads import (
    BodyTimeoutError,
    BodyTooLargeError,
    ClientGoneError,
    InvalidParametersError,
    MalformedBodyError,
    NoImageError,
    TooManyFilesError,
    TooManyPixelsError,
    UnreadableImageError,
    UnsupportedImageFormatError,
    UnsupportedMediaTypeError,
    WrongFieldError,
)
from service.errors.versions import (
    DifferentDataError,
    NoEvaluationError,
    NoSuchVersionFileError,
    PrecisionNotPublishedError,
    UnknownModelError,
    UnknownModelVersionError,
    VersionRefusedError,
    ViewsNotMeasuredError,
)

__all__ = [
    "PROBLEM_MEDIA_TYPE",
    "BodyTimeoutError",
    "BodyTooLargeError",
    "BrokerDownError",
    "ClientGoneError",
    "CrossOriginError",
    "DatasetMediaTypeError",
    "DatasetTooLargeError",
    "DeadlineExceededError",
    "DifferentDataError",
    "GateRefusedError",
    "HostNotAllowedError",
    "IdempotencyKeyReusedError",
    "InternalServiceError",
    "InvalidInferenceError",
    "InvalidParametersError",
    "JobFinishedError",
    "JobNotFoundError",
    "JobNotRetryableError",
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
    "NothingToRollBackToError",
    "PrecisionNotPublishedError",
    "ProblemError",
    "QueueFullError",
    "RequestInFlightError",
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
    "job_problem",
    "responses",
]

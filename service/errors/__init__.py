"""API errors: exceptions independent of HTTP, and the table that maps them to HTTP responses.

Errors of `core`, such as `core.errors.JobNotFoundError`, are in the table under their own class.
"""

from __future__ import annotations

from service.errors.base import DeadlineExceededError as DeadlineExceededError
from service.errors.base import InternalServiceError as InternalServiceError
from service.errors.base import MethodNotAllowedError as MethodNotAllowedError
from service.errors.base import NotReadyError as NotReadyError
from service.errors.base import ProblemError as ProblemError
from service.errors.base import QueueFullError as QueueFullError
from service.errors.base import RouteNotFoundError as RouteNotFoundError
from service.errors.base import TooManyPixelsWaitingError as TooManyPixelsWaitingError
from service.errors.base import TooManyRequestsError as TooManyRequestsError
from service.errors.problem import EXAMPLE_REQUEST_ID as EXAMPLE_REQUEST_ID
from service.errors.problem import PROBLEM_MEDIA_TYPE as PROBLEM_MEDIA_TYPE
from service.errors.problem import Problem as Problem
from service.errors.problem import error_examples as error_examples
from service.errors.problem import problem_of as problem_of
from service.errors.problem import responses as responses
from service.errors.requests import BodyTimeoutError as BodyTimeoutError
from service.errors.requests import BodyTooLargeError as BodyTooLargeError
from service.errors.requests import ClientGoneError as ClientGoneError
from service.errors.requests import CrossOriginError as CrossOriginError
from service.errors.requests import HostNotAllowedError as HostNotAllowedError
from service.errors.requests import InvalidHostError as InvalidHostError
from service.errors.requests import InvalidInferenceError as InvalidInferenceError
from service.errors.requests import InvalidParametersError as InvalidParametersError
from service.errors.requests import KeyRefusedError as KeyRefusedError
from service.errors.requests import KeyRequiredError as KeyRequiredError
from service.errors.requests import MalformedBodyError as MalformedBodyError
from service.errors.requests import MethodDoesNotFitError as MethodDoesNotFitError
from service.errors.requests import NoGradientError as NoGradientError
from service.errors.requests import NoImageError as NoImageError
from service.errors.requests import NotAcceptableError as NotAcceptableError
from service.errors.requests import ScopeRequiredError as ScopeRequiredError
from service.errors.requests import TooManyEvaluationsError as TooManyEvaluationsError
from service.errors.requests import TooManyExplanationsError as TooManyExplanationsError
from service.errors.requests import TooManyFilesError as TooManyFilesError
from service.errors.requests import TooManyPixelsError as TooManyPixelsError
from service.errors.requests import TooManyWrongKeysError as TooManyWrongKeysError
from service.errors.requests import UnknownTargetError as UnknownTargetError
from service.errors.requests import UnreadableImageError as UnreadableImageError
from service.errors.requests import UnsupportedEncodingError as UnsupportedEncodingError
from service.errors.requests import UnsupportedImageFormatError as UnsupportedImageFormatError
from service.errors.requests import UnsupportedMediaTypeError as UnsupportedMediaTypeError
from service.errors.requests import WrongFieldError as WrongFieldError
from service.errors.resources import DatasetLayoutError as DatasetLayoutError
from service.errors.resources import DatasetMediaTypeError as DatasetMediaTypeError
from service.errors.resources import DatasetMissingError as DatasetMissingError
from service.errors.resources import DatasetTooLargeError as DatasetTooLargeError
from service.errors.resources import GateRefusedError as GateRefusedError
from service.errors.resources import HomeNotWritableError as HomeNotWritableError
from service.errors.resources import JobsNotConfiguredError as JobsNotConfiguredError
from service.errors.resources import NoJobResultError as NoJobResultError
from service.errors.resources import NoSuchRunError as NoSuchRunError
from service.errors.resources import NoSuchSampleError as NoSuchSampleError
from service.errors.resources import NoSuchVersionFileError as NoSuchVersionFileError
from service.errors.resources import NoUsableImageError as NoUsableImageError
from service.errors.resources import PrecisionNotPublishedError as PrecisionNotPublishedError
from service.errors.resources import ResultsFullError as ResultsFullError
from service.errors.resources import StorageFullError as StorageFullError
from service.errors.resources import TooManyQueuedJobsError as TooManyQueuedJobsError
from service.errors.resources import TooManyStreamsError as TooManyStreamsError
from service.errors.resources import TooManyUploadsError as TooManyUploadsError
from service.errors.resources import TooMuchWorkError as TooMuchWorkError
from service.errors.resources import TrainingNotReadyError as TrainingNotReadyError
from service.errors.resources import UnreadableArchiveError as UnreadableArchiveError
from service.errors.resources import UnsafeArchiveError as UnsafeArchiveError
from service.errors.resources import VersionInUseError as VersionInUseError
from service.errors.resources import VersionRefusedError as VersionRefusedError
from service.errors.resources import ViewsNotMeasuredError as ViewsNotMeasuredError
from service.errors.table import EXAMPLES as EXAMPLES
from service.errors.table import PROBLEMS as PROBLEMS

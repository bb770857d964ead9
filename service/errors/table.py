"""Table of the API's errors: HTTP status, slug, title and example of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from core import errors as core
from core.gate.report import GateReport, GateThresholds
from service.errors import capacity, datasets, jobs, saliency, security, uploads, versions

_JOB = "019a1b2c3d4e5f60718293a4b5c6d7e8"


class ProblemType(NamedTuple):
    """HTTP representation of one class of errors.

    Attributes:
        status: HTTP status.
        slug: end of the problem's type URN, and label of the metric.
        title: short summary, the same for all occurrences.
        example: an instance for OpenAPI; its class is the key in the table.
        retry_after: header Retry-After in seconds, if it is the same for all occurrences.
    """

    status: int
    slug: str
    title: str
    example: core.DuetError
    retry_after: int | None = None


_GATE_REPORT = GateReport(
    family="cnn",
    candidate=4,
    champion=3,
    passed=False,
    ground="not_comparable",
    summary="cnn@4 cannot be compared with cnn@3: their classes differ (cat, dog; cat, dog, fox)",
    holdouts={},
    comparison=None,
    verdicts=(),
    classes=(),
    thresholds=GateThresholds(),
)

_TYPES = (
    ProblemType(
        422,
        "invalid-parameters",
        "A parameter is not valid",
        uploads.InvalidParametersError([("top_k", "Input should be greater than or equal to 1")]),
    ),
    ProblemType(
        400,
        "malformed-body",
        "The body cannot be parsed",
        uploads.MalformedBodyError("the multipart body ends before its last boundary"),
    ),
    ProblemType(422, "wrong-field", "A form field has the wrong name", uploads.WrongFieldError("image", "file")),
    ProblemType(
        422,
        "no-image",
        "There is no image in the request",
        uploads.NoImageError("the body is empty: send one image as the body, or files in the multipart field 'file'"),
    ),
    ProblemType(422, "too-many-files", "Too many files in one request", uploads.TooManyFilesError(64)),
    ProblemType(
        415,
        "unsupported-media-type",
        "The body's content type is not supported",
        uploads.UnsupportedMediaTypeError("application/json"),
    ),
    ProblemType(413, "body-too-large", "The body is too large", uploads.BodyTooLargeError(16 * 1024 * 1024)),
    ProblemType(408, "body-timeout", "The body arrived too slowly", uploads.BodyTimeoutError(10)),
    ProblemType(499, "client-gone", "The client closed the connection", uploads.ClientGoneError("client disconnected")),
    ProblemType(
        422,
        "unreadable-image",
        "The image cannot be read",
        uploads.UnreadableImageError("rex.png is not an image that can be read", filename="rex.png", index=0),
    ),
    ProblemType(
        422,
        "too-many-pixels",
        "The image has too many pixels",
        uploads.TooManyPixelsError("the image has 20000x20000 pixels, more than allowed", filename="a.png", index=0),
    ),
    ProblemType(
        415,
        "unsupported-image-format",
        "The image format is not supported",
        uploads.UnsupportedImageFormatError("TGA images are not supported", filename="rex.tga", index=0),
    ),
    ProblemType(404, "unknown-model", "There is no such model", versions.UnknownModelError("vit", ["cnn", "mlp"])),
    ProblemType(
        404,
        "unknown-version",
        "There is no such version of the model",
        versions.UnknownModelVersionError("cnn", 9, [1, 2, 3]),
    ),
    ProblemType(
        409,
        "version-refused",
        "This version is not served",
        versions.VersionRefusedError("cnn", 3, "cnn@3: weights.safetensors: 9 bytes instead of 8571324"),
    ),
    ProblemType(
        404,
        "precision-not-published",
        "The version has no such precision",
        versions.PrecisionNotPublishedError("cnn@3", "int8", ["fp32"]),
    ),
    ProblemType(
        404,
        "no-such-file",
        "The version has no such file",
        versions.NoSuchVersionFileError("cnn@3", "figures/history.png"),
    ),
    ProblemType(
        409,
        "views-not-measured",
        "The version has no thresholds for test-time augmentation",
        versions.ViewsNotMeasuredError("cnn@3"),
    ),
    ProblemType(
        409,
        "different-data",
        "The versions were evaluated on different data",
        versions.DifferentDataError({"mlp@1": "3f" * 32, "cnn@2": "a0" * 32}),
    ),
    ProblemType(
        409,
        "no-evaluation",
        "A version has no stored evaluation",
        versions.NoEvaluationError("cnn@2 has no predictions.npz; publish the version again with `duet export`"),
    ),
    ProblemType(409, "gate-refused", "The version did not pass the gate", versions.GateRefusedError(_GATE_REPORT)),
    ProblemType(
        409,
        "nothing-to-roll-back",
        "There is no earlier champion",
        core.NothingToRollBackError("cnn has no earlier champion to return to"),
    ),
    ProblemType(503, "not-ready", "Not ready", capacity.NotReadyError("cnn is still being loaded")),
    ProblemType(429, "queue-full", "The queue is full", capacity.QueueFullError("cnn@3", 256, 0.64)),
    ProblemType(
        504, "deadline-exceeded", "The deadline has passed", capacity.DeadlineExceededError("no response within 10 s")
    ),
    ProblemType(500, "internal-error", "Internal error", capacity.InternalServiceError()),
    ProblemType(404, "not-found", "There is nothing at this path", capacity.RouteNotFoundError("/predictions")),
    ProblemType(
        405,
        "method-not-allowed",
        "The path does not support this method",
        capacity.MethodNotAllowedError("GET", "/predict", ["POST"]),
    ),
    ProblemType(
        400,
        "invalid-inference-request",
        "The inference request does not fit the model",
        uploads.InvalidInferenceError("the input 'images' is UINT8, not FP32"),
    ),
    ProblemType(
        415,
        "unsupported-encoding",
        "The body's content encoding is not supported",
        uploads.UnsupportedEncodingError("br"),
    ),
    ProblemType(409, "no-gradient", "The version cannot be explained", saliency.NoGradientError("cnn@1")),
    ProblemType(
        422,
        "unknown-target",
        "The target is not a class of the model",
        saliency.UnknownTargetError("tiger", ["cat", "dog"]),
    ),
    ProblemType(
        422,
        "method-does-not-fit",
        "The method does not fit the model",
        saliency.MethodDoesNotFitError("grad_cam", "mlp@1", ["saliency", "integrated_gradients"]),
    ),
    ProblemType(
        429, "too-many-explanations", "Too many simultaneous explanations", saliency.TooManyExplanationsError(8, 0.2)
    ),
    ProblemType(
        406,
        "not-acceptable",
        "No acceptable media type",
        saliency.NotAcceptableError("text/html", ["image/png", "application/x-npy", "application/json"]),
    ),
    ProblemType(401, "key-required", "A key is required", security.KeyRequiredError()),
    ProblemType(401, "key-refused", "The key is not valid", security.KeyRefusedError.wrong_key()),
    ProblemType(
        403, "scope-required", "The key lacks the required scope", security.ScopeRequiredError("admin", ("jobs",))
    ),
    ProblemType(
        403, "host-not-allowed", "The host name is not allowed", security.HostNotAllowedError("models.example.org")
    ),
    ProblemType(
        403,
        "cross-origin",
        "The request comes from a page of another origin",
        security.CrossOriginError("https://elsewhere.example"),
    ),
    ProblemType(
        404,
        "unknown-job",
        "There is no such job",
        core.UnknownJobError(f"no job '{_JOB}': GET /jobs lists the existing jobs; old jobs are removed"),
    ),
    ProblemType(
        409,
        "job-ended",
        "The job has ended",
        core.JobFinishedError(f"job {_JOB} cannot be cancelled: it has already succeeded"),
    ),
    ProblemType(
        409,
        "job-not-retryable",
        "The job cannot be retried",
        core.JobNotRetryableError(f"job {_JOB} is running: only a failed or cancelled job can be retried"),
    ),
    ProblemType(
        422,
        "idempotency-key-reused",
        "The idempotency key belongs to another request",
        core.IdempotencyConflictError(
            "this Idempotency-Key was used for a different request before: send a new key with each new request"
        ),
    ),
    ProblemType(
        409,
        "request-in-flight",
        "The same request is still being processed",
        core.IdempotencyInFlightError(
            "the first request with this Idempotency-Key is still being processed: send it again in a moment"
        ),
        retry_after=1,
    ),
    ProblemType(429, "too-many-streams", "Too many open event streams", jobs.TooManyStreamsError(1000), retry_after=10),
    ProblemType(503, "jobs-not-configured", "Jobs are not configured", jobs.JobsNotConfiguredError()),
    ProblemType(
        503,
        "broker-unavailable",
        "The job broker is unavailable",
        core.BrokerUnavailableError("the job broker does not respond: start it again, or check DUET_REDIS_URL"),
        retry_after=5,
    ),
    ProblemType(
        503,
        "training-not-ready",
        "No worker can run this job yet",
        jobs.TrainingNotReadyError(
            "the training environment is being installed", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        ),
        retry_after=30,
    ),
    ProblemType(
        404, "unknown-dataset", "There is no such data set", datasets.NoSuchDatasetError("pets", ["birds", "leaves"])
    ),
    ProblemType(
        415,
        "dataset-media-type",
        "The body's content type is not supported for data sets",
        datasets.DatasetMediaTypeError("application/json"),
    ),
    ProblemType(
        422,
        "unreadable-archive",
        "The archive cannot be read",
        datasets.UnreadableArchiveError("File is not a zip file"),
    ),
    ProblemType(
        422,
        "unsafe-archive",
        "The archive is rejected as unsafe",
        datasets.UnsafeArchiveError("'../../etc/job' leads out of the archive: use folder names without .."),
    ),
    ProblemType(
        413, "dataset-too-large", "The data set would be too large", datasets.DatasetTooLargeError("images", 50_000)
    ),
    ProblemType(
        422,
        "no-usable-image",
        "There is no image to add",
        datasets.NoUsableImageError([("cat/notes.txt", "the data is not an image in a supported format")]),
    ),
    ProblemType(429, "too-many-uploads", "Too many simultaneous uploads", datasets.TooManyUploadsError(2), 10),
    ProblemType(507, "storage-full", "The disk is full", datasets.StorageFullError()),
    ProblemType(404, "no-such-sample", "There is no such test image", datasets.NoSuchSampleError(1000, 1000)),
)

PROBLEMS: Mapping[type[core.DuetError], ProblemType] = MappingProxyType({type(each.example): each for each in _TYPES})
"""The table: class of an error -> its HTTP representation."""

"""Table of the API's errors: HTTP status, slug, title and example of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from core import errors as core
from core.gate.report import GateReport, GateThresholds
from core.trials.errors import NoTrialError, TrialNotPossibleError, TrialRunningError
from service.errors import base, keys, requests, resources


class ProblemType(NamedTuple):
    """HTTP representation of one class of errors.

    Attributes:
        status: HTTP status.
        slug: end of the problem's type URN, and label of the metric.
        title: short summary, the same for all occurrences.
        retry_after: header Retry-After in seconds, if it is the same for all occurrences.
    """

    status: int
    slug: str
    title: str
    retry_after: int | None = None


_TABLE: dict[type[core.DuetError], tuple[int, str, str]] = {
    requests.InvalidParametersError: (422, "invalid-parameters", "A parameter is not valid"),
    requests.MalformedBodyError: (400, "malformed-body", "The body cannot be parsed"),
    requests.WrongFieldError: (422, "wrong-field", "A form field has the wrong name"),
    requests.NoImageError: (422, "no-image", "There is no image in the request"),
    requests.TooManyFilesError: (422, "too-many-files", "Too many files in one request"),
    requests.UnsupportedMediaTypeError: (415, "unsupported-media-type", "The body's content type is not supported"),
    requests.BodyTooLargeError: (413, "body-too-large", "The body is too large"),
    requests.BodyTimeoutError: (408, "body-timeout", "The body arrived too slowly"),
    requests.ClientGoneError: (499, "client-gone", "The client closed the connection"),
    requests.UnreadableImageError: (422, "unreadable-image", "The image cannot be read"),
    requests.TooManyPixelsError: (422, "too-many-pixels", "The image has too many pixels"),
    requests.UnsupportedImageFormatError: (415, "unsupported-image-format", "The image format is not supported"),
    core.UnknownFamilyError: (404, "unknown-model", "There is no such model"),
    core.UnknownVersionError: (404, "unknown-version", "There is no such version of the model"),
    resources.VersionRefusedError: (409, "version-refused", "This version is not served"),
    resources.VersionInUseError: (409, "version-in-use", "An unfinished job reads the version"),
    core.ChampionDeletionError: (409, "champion-not-deletable", "The champion of a model cannot be deleted"),
    core.ShippedVersionError: (409, "version-ships", "The version ships with the project"),
    core.NoChampionError: (409, "no-champion", "The model has no champion"),
    resources.PrecisionNotPublishedError: (404, "precision-not-published", "The version has no such precision"),
    resources.NoSuchVersionFileError: (404, "no-such-file", "The version has no such file"),
    resources.ViewsNotMeasuredError: (
        409,
        "views-not-measured",
        "The version has no thresholds for test-time augmentation",
    ),
    core.DifferentImagesError: (409, "different-data", "The versions have different classes or test images"),
    core.NotEvaluatedError: (409, "no-evaluation", "A version has no stored evaluation"),
    resources.GateRefusedError: (409, "gate-refused", "The version did not pass the gate"),
    core.NothingToRollBackError: (409, "nothing-to-roll-back", "There is no earlier champion"),
    TrialRunningError: (409, "trial-running", "The model has a running shadow trial"),
    TrialNotPossibleError: (409, "trial-not-possible", "The version cannot be compared with the champion"),
    NoTrialError: (404, "no-trial", "The model has no shadow trial"),
    base.NotReadyError: (503, "not-ready", "Not ready"),
    base.QueueFullError: (429, "queue-full", "The queue is full"),
    base.TooManyPixelsWaitingError: (429, "too-many-pixels-waiting", "Too many pixels are waiting for decoding"),
    base.DeadlineExceededError: (504, "deadline-exceeded", "The deadline has passed"),
    base.InternalServiceError: (500, "internal-error", "Internal error"),
    base.RouteNotFoundError: (404, "not-found", "There is nothing at this path"),
    base.MethodNotAllowedError: (405, "method-not-allowed", "The path does not support this method"),
    requests.InvalidInferenceError: (400, "invalid-inference-request", "The inference request does not fit the model"),
    requests.UnsupportedEncodingError: (415, "unsupported-encoding", "The body's content encoding is not supported"),
    requests.NoGradientError: (409, "no-gradient", "The version cannot be explained"),
    requests.UnknownTargetError: (422, "unknown-target", "The target is not a class of the model"),
    requests.MethodDoesNotFitError: (422, "method-does-not-fit", "The method does not fit the model"),
    requests.TooManyExplanationsError: (429, "too-many-explanations", "Too many simultaneous explanations"),
    requests.TooManyEvaluationsError: (422, "too-many-evaluations", "Too many evaluations of models"),
    requests.NotAcceptableError: (406, "not-acceptable", "No acceptable media type"),
    keys.KeyRequiredError: (401, "key-required", "A key is required"),
    keys.KeyRefusedError: (401, "key-refused", "The key is not valid"),
    keys.TooManyWrongKeysError: (429, "too-many-wrong-keys", "Too many wrong keys"),
    keys.ScopeRequiredError: (403, "scope-required", "The key lacks the required scope"),
    keys.CallerLimitError: (429, "caller-limit", "A limit of the caller is reached"),
    keys.DatasetQuotaError: (413, "dataset-quota", "The quota of the key is reached"),
    keys.UnknownKeyError: (404, "unknown-key", "There is no such key"),
    keys.KeyNameTakenError: (409, "key-name-taken", "The name of the key is taken"),
    keys.KeyStoreError: (503, "key-store", "The stored keys cannot be changed"),
    requests.HostNotAllowedError: (403, "host-not-allowed", "The host name is not allowed"),
    requests.InvalidHostError: (400, "invalid-host", "The Host header is missing or repeated"),
    requests.CrossOriginError: (403, "cross-origin", "The request comes from a page of another origin"),
    core.JobNotFoundError: (404, "unknown-job", "There is no such job"),
    core.JobFinishedError: (409, "job-ended", "The job has ended"),
    core.JobNotRetryableError: (409, "job-not-retryable", "The job cannot be retried"),
    core.IdempotencyConflictError: (422, "idempotency-key-reused", "The idempotency key belongs to another request"),
    core.IdempotencyInFlightError: (409, "request-in-flight", "The same request is still being processed"),
    resources.NoSuchRunError: (404, "unknown-run", "There is no such run"),
    resources.TooManyStreamsError: (429, "too-many-streams", "Too many open event streams"),
    resources.JobsNotConfiguredError: (503, "jobs-not-configured", "Jobs are not configured"),
    core.BrokerUnavailableError: (503, "broker-unavailable", "The job broker is unavailable"),
    resources.TrainingNotReadyError: (503, "training-not-ready", "No worker can run this job yet"),
    resources.TooManyQueuedJobsError: (429, "too-many-queued-jobs", "Too many queued jobs"),
    core.JournalFullError: (409, "journal-full", "The journal of edits is full"),
    core.UnknownImageError: (404, "unknown-image", "The data set has no such file"),
    core.UnknownDatasetError: (404, "unknown-dataset", "There is no such data set"),
    resources.DatasetMissingError: (409, "dataset-missing", "The data set is missing"),
    resources.DatasetMediaTypeError: (
        415,
        "dataset-media-type",
        "The body's content type is not supported for data sets",
    ),
    resources.UnreadableArchiveError: (422, "unreadable-archive", "The archive cannot be read"),
    resources.UnsafeArchiveError: (422, "unsafe-archive", "The archive is rejected as unsafe"),
    resources.DatasetLayoutError: (409, "dataset-layout", "The data set has another layout"),
    resources.DatasetTooLargeError: (413, "dataset-too-large", "The data set would be too large"),
    resources.NoUsableImageError: (422, "no-usable-image", "There is no image to add"),
    resources.TooManyUploadsError: (429, "too-many-uploads", "Too many simultaneous uploads"),
    resources.TooMuchWorkError: (413, "too-much-work", "The images have too many pixels"),
    resources.StorageFullError: (507, "storage-full", "The disk is full"),
    resources.HomeNotWritableError: (503, "home-not-writable", "The state folder is not writable"),
    resources.NoJobResultError: (409, "no-job-result", "The job has no result"),
    resources.ResultsFullError: (507, "results-full", "The results of jobs take too much space"),
    resources.NoSuchSampleError: (404, "no-such-sample", "There is no such test image"),
    resources.UnknownPictureError: (404, "unknown-picture", "There is no such picture in the labelling queue"),
    resources.ClaimLostError: (409, "claim-lost", "The claim of the picture has expired"),
    resources.NothingToUndoError: (409, "nothing-to-undo", "There is nothing to undo"),
    resources.NoLabelledTrafficError: (409, "no-labelled-traffic", "No image of the traffic has a label"),
}
_RETRY_AFTER: dict[type[core.DuetError], int] = {
    core.IdempotencyInFlightError: 1,
    resources.TooManyStreamsError: 10,
    core.BrokerUnavailableError: 5,
    resources.TrainingNotReadyError: 30,
    resources.TooManyUploadsError: 10,
    resources.TooManyQueuedJobsError: 60,
}

PROBLEMS: Mapping[type[core.DuetError], ProblemType] = MappingProxyType(
    {error: ProblemType(*row, _RETRY_AFTER.get(error)) for error, row in _TABLE.items()}
)
"""The table: class of an error -> its HTTP representation."""

_JOB = "019a1b2c3d4e5f60718293a4b5c6d7e8"
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

EXAMPLES: Mapping[type[core.DuetError], core.DuetError] = MappingProxyType(
    {
        type(each): each
        for each in (
            requests.InvalidParametersError([("top_k", "Input should be greater than or equal to 1")]),
            requests.MalformedBodyError("the multipart body ends before its last boundary"),
            requests.WrongFieldError("image", "file"),
            requests.NoImageError(
                "the body is empty: send one image as the body, or files in the multipart field 'file'"
            ),
            requests.TooManyFilesError(64),
            requests.UnsupportedMediaTypeError("application/json"),
            requests.BodyTooLargeError(16 * 1024 * 1024),
            requests.BodyTimeoutError(10),
            requests.ClientGoneError("client disconnected"),
            requests.UnreadableImageError("rex.png is not an image that can be read", filename="rex.png", index=0),
            requests.TooManyPixelsError(
                "the image has 20000x20000 pixels, more than allowed", filename="a.png", index=0
            ),
            requests.UnsupportedImageFormatError("TGA images are not supported", filename="rex.tga", index=0),
            core.UnknownFamilyError("vit", ["cnn", "mlp"]),
            core.UnknownVersionError("cnn", 9, [1, 2, 3]),
            resources.VersionRefusedError("cnn", 3, "cnn@3: weights.safetensors: 9 bytes instead of 8571324"),
            resources.VersionInUseError("cnn@3", _JOB),
            core.ChampionDeletionError("cnn@3 is the champion of cnn: promote another version first"),
            core.ShippedVersionError("cnn@3 ships with the project and cannot be deleted"),
            core.NoChampionError("pets has no champion, so that it is not served: there is nothing to archive"),
            resources.PrecisionNotPublishedError("cnn@3", "int8", ["fp32"]),
            resources.NoSuchVersionFileError("cnn@3", "figures/history.png"),
            resources.ViewsNotMeasuredError("cnn@3"),
            core.DifferentImagesError(
                {"cnn@3": "3f" * 32, "pets@1": "a0" * 32},
                classes={"cnn@3": ["cat", "dog", "frog"], "pets@1": ["hamster", "rabbit"]},
                comparable={"cnn@3": ["cnn@2", "mlp@1"], "pets@1": []},
            ),
            core.NotEvaluatedError("cnn@2 has no predictions.npz: publish the version again with `duet export`"),
            resources.GateRefusedError(_GATE_REPORT),
            core.NothingToRollBackError("cnn has no earlier champion to return to"),
            TrialRunningError("cnn", _JOB),
            TrialNotPossibleError("cnn@5 is the champion: name another version as the challenger"),
            NoTrialError("cnn"),
            base.NotReadyError("cnn is still being loaded"),
            base.QueueFullError("cnn@3", 256, 0.64),
            base.TooManyPixelsWaitingError(390_000_000, 400_000_000, 1.5),
            base.DeadlineExceededError("no response within 10 s: try again later"),
            base.InternalServiceError(),
            base.RouteNotFoundError("/predictions"),
            base.MethodNotAllowedError("GET", "/predict", ["POST"]),
            requests.InvalidInferenceError("the input 'images' is UINT8, not FP32"),
            requests.UnsupportedEncodingError("br"),
            requests.NoGradientError("cnn@1"),
            requests.UnknownTargetError("tiger", ["cat", "dog"]),
            requests.MethodDoesNotFitError("grad_cam", "mlp@1", ["saliency", "integrated_gradients"]),
            requests.TooManyExplanationsError(8, 0.2),
            requests.TooManyEvaluationsError(384, 220),
            requests.NotAcceptableError("text/html", ["image/png", "application/x-npy", "application/json"]),
            keys.KeyRequiredError(),
            keys.KeyRefusedError.wrong_key(),
            keys.TooManyWrongKeysError(1.0),
            keys.ScopeRequiredError("admin", ("jobs",)),
            keys.CallerLimitError("requests_per_second", 20, 0.05),
            keys.DatasetQuotaError(1_040_000_000, 1_073_741_824),
            keys.UnknownKeyError("ci", ["labelling", "phone"]),
            keys.KeyNameTakenError("ci"),
            keys.KeyStoreError("cannot write DUET_HOME/keys.json (Read-only file system): make DUET_HOME writable"),
            requests.HostNotAllowedError("models.example.org"),
            requests.InvalidHostError(repeated=False),
            requests.CrossOriginError("https://elsewhere.example"),
            core.JobNotFoundError(f"unknown job '{_JOB}': GET /jobs lists the existing jobs (old jobs are removed)"),
            core.JobFinishedError(f"job {_JOB} cannot be cancelled: it has already succeeded"),
            core.JobNotRetryableError(f"job {_JOB} is running: only a failed or cancelled job can be retried"),
            core.IdempotencyConflictError(
                "this Idempotency-Key was used for a different request before: send a new key with each new request"
            ),
            core.IdempotencyInFlightError(
                "the first request with this Idempotency-Key is still being processed: send it again in a moment"
            ),
            resources.NoSuchRunError("cnn_fast-seed9"),
            resources.TooManyStreamsError(1000),
            resources.JobsNotConfiguredError(),
            core.BrokerUnavailableError("the job broker does not respond: start it again, or check DUET_REDIS_URL"),
            resources.TrainingNotReadyError(
                "the training environment is being installed", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
            ),
            resources.TooManyQueuedJobsError(100, 100, of_key=True),
            core.UnknownDatasetError("pets", ["birds", "leaves"]),
            core.UnknownImageError("pets", "cat/1.png"),
            core.JournalFullError("pets", 16_777_216),
            resources.DatasetMissingError(),
            resources.DatasetMediaTypeError("application/json"),
            resources.UnreadableArchiveError("File is not a zip file"),
            resources.UnsafeArchiveError("'../../etc/job' leads out of the archive: use folder names without .."),
            resources.DatasetLayoutError("pets"),
            resources.DatasetTooLargeError("images", 50_000),
            resources.NoUsableImageError([("cat/notes.txt", "the data is not an image in a supported format")]),
            resources.TooManyUploadsError(2),
            resources.TooMuchWorkError(250_000_000),
            resources.StorageFullError(),
            resources.HomeNotWritableError(),
            resources.NoJobResultError(f"job {_JOB} is running: wait until it has succeeded"),
            resources.ResultsFullError(4_294_967_296, 4_294_967_296),
            resources.NoSuchSampleError(1000, 1000),
            resources.UnknownPictureError(),
            resources.ClaimLostError(),
            resources.NothingToUndoError(),
            resources.NoLabelledTrafficError(),
        )
    }
)
"""An instance of each error for OpenAPI."""

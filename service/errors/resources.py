"""Errors of models, versions, jobs and data sets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.gate.report import GateReport
from service.errors.base import ProblemError


class VersionRefusedError(ProblemError):
    """A version exists but is not served, because its files do not match its manifest."""

    def __init__(self, model: str, version: int, reason: str) -> None:
        super().__init__(f"this version is not served: {reason}", model=model, version=version)


class VersionInUseError(ProblemError):
    """A job that has not finished reads the version."""

    def __init__(self, reference: str, job: str) -> None:
        super().__init__(f"job {job} reads {reference}: wait for it, or cancel it first", job=job)


class PrecisionNotPublishedError(ProblemError):
    """The version is not served in this precision; the response lists its precisions."""

    def __init__(self, reference: str, precision: str, available: Sequence[str], reason: str | None = None) -> None:
        """`reason` says why this machine cannot run the precision; None if the version was published without it."""
        problem = f"is not served in {precision} ({reason})" if reason else f"was published without {precision}"
        super().__init__(f"{reference} {problem}: use {' or '.join(available)}", available=list(available))


class NoSuchVersionFileError(ProblemError):
    """The version was published without this card or figure."""

    def __init__(self, reference: str, name: str) -> None:
        super().__init__(f"{reference} was published without {name}: choose a file that its manifest lists")


class ViewsNotMeasuredError(ProblemError):
    """The version was published without thresholds for test-time augmentation."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"{reference} has no temperature and thresholds for test-time augmentation: publish its weights again with "
            f"`duet export {reference}`"
        )


class GateRefusedError(ProblemError):
    """The gate rejected a candidate for champion; the response contains the whole report."""

    def __init__(self, report: GateReport) -> None:
        super().__init__(
            f"{report.summary}: to promote it anyway, send force with a reason",
            report=report.model_dump(mode="json"),
        )


class NoSuchRunError(ProblemError):
    """No run folder has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no run {name[:100]!r}: GET /runs lists the runs from the command line, GET /jobs the jobs")


class TooManyStreamsError(ProblemError):
    """The limit of open event streams is reached."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} event streams are open: poll /jobs/{{job_id}} instead, or try again later")


class JobsNotConfiguredError(ProblemError):
    """The service runs without a broker, and therefore without jobs."""

    def __init__(self) -> None:
        super().__init__(
            "this service was started without a broker for jobs: set DUET_REDIS_URL to one, or set "
            "DUET_EMBEDDED_BROKER=1 so that `duet serve` starts its own"
        )


class TrainingNotReadyError(ProblemError):
    """Workers are alive, but none of them can run jobs of this kind now."""

    def __init__(self, reason: str, since: datetime) -> None:
        super().__init__(
            f"no worker can run this job yet: {reason} (since {since:%Y-%m-%d %H:%M:%S} UTC)",
            reason=reason,
            since=since.isoformat(),
        )


class TooManyQueuedJobsError(ProblemError):
    """The limit of queued jobs, in all or of one API key, is reached."""

    def __init__(self, queued: int, limit: int, *, of_key: bool = False) -> None:
        owner = " by this key" if of_key else ""
        super().__init__(
            f"{queued} jobs are queued{owner} and the limit is {limit}: cancel some, or try again when some have ended",
            queued=queued,
            limit=limit,
        )


class DatasetMissingError(ProblemError):
    """A built-in data set is not on the machines of the jobs; the response has the path of its download."""

    def __init__(self, root: str = "") -> None:
        """`root` is DUET_ROOT_PATH."""
        super().__init__(
            "CIFAR-10 is not downloaded: POST /datasets/cifar10/download downloads it (170 MB) as a job, or set "
            "DUET_DATA_DIR to a folder that contains cifar-10-batches-py and restart the service",
            data="cifar10",
            download=f"{root}/datasets/cifar10/download",
        )


class DatasetMediaTypeError(ProblemError):
    """The body is neither an archive nor images."""

    accepted = ("application/zip", "multipart/form-data", "image/*", "application/octet-stream")

    def __init__(self, found: str | None) -> None:
        problem = f"Content-Type {found!r} is not supported" if found else "the request has no Content-Type"
        super().__init__(
            f"{problem}: send a zip of class folders as application/zip, or images with ?label=CLASS",
            found=found,
            accepted=list(self.accepted),
        )


class UnreadableArchiveError(ProblemError):
    """The archive is not a zip file, or is truncated."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the upload is not a zip file or is truncated ({reason}): zip the class folders again, check that the "
            "archive opens, and upload it again"
        )


class UnsafeArchiveError(ProblemError):
    """The archive looks malicious; nothing of it is stored."""


class DatasetTooLargeError(ProblemError):
    """The upload would exceed the data set's limit of images or bytes; nothing of it is stored."""

    def __init__(self, what: str, limit: int, *, together: bool = False) -> None:
        """`what` is `images` or `bytes`; `together` is for the bytes of all data sets."""
        owner = "all data sets together" if together else "a data set"
        setting = {"images": "DUET_MAX_DATASET_IMAGES", "bytes": "DUET_MAX_DATASETS_BYTES" if together else None}[what]
        remedy = f"send less, or raise {setting}" if setting else "split it into several data sets"
        super().__init__(
            f"{owner} may have at most {limit:,} {what}, and nothing of this upload was stored: {remedy}", limit=limit
        )


class DatasetLayoutError(ProblemError):
    """The folder of the data set has another layout than the upload."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the files of {name} are arranged differently: send class folders, or train and test folders with class "
            "folders, as the data set has them. Otherwise use another name"
        )


class NoUsableImageError(ProblemError):
    """No file of the upload is a usable image; the response gives the reasons of the first ones."""

    def __init__(self, skipped: Sequence[tuple[str, str]]) -> None:
        named = "; ".join(f"{file}: {reason}" for file, reason in skipped[:5]) or "no file is in a class folder"
        super().__init__(
            f"none of {len(skipped)} files can be added: {named}",
            skipped_files=[{"file": file, "reason": reason} for file, reason in skipped[:100]],
        )


class TooManyUploadsError(ProblemError):
    """The limit of simultaneous uploads is reached."""

    def __init__(self, running: int) -> None:
        super().__init__(f"{running} uploads are running: try again later")


class TooMuchWorkError(ProblemError):
    """The images of an upload have too many pixels for its size; nothing of it is stored."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the images of this upload have more than {limit / 1e6:,.0f} megapixels together, the limit for its size, "
            "and nothing of it was stored: scale the images down, or send fewer at a time",
            limit_pixels=limit,
        )


class StorageFullError(ProblemError):
    """The disk has too little space; nothing of the upload is stored."""

    def __init__(self) -> None:
        super().__init__(
            "the disk of DUET_HOME has too little free space, and nothing of this upload was stored: free some space. "
            "Uploads leave DUET_JOB_FREE_MIB free for jobs"
        )


class HomeNotWritableError(ProblemError):
    """DUET_HOME is read-only or belongs to another user; nothing is changed."""

    def __init__(self) -> None:
        super().__init__(
            "the service cannot write to DUET_HOME, and nothing was stored: mount it writable, or give the user of the "
            "service write access"
        )


class NoJobResultError(ProblemError):
    """The job has no tables to download or delete."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class ResultsFullError(ProblemError):
    """The tables of all batch predictions have reached their limit."""

    def __init__(self, stored: int, limit: int) -> None:
        super().__init__(
            f"the tables of batch predictions take {stored:,} bytes and the limit is {limit:,}: delete some with "
            "DELETE /jobs/{job_id}/result, or raise DUET_MAX_RESULTS_BYTES",
            stored=stored,
            limit=limit,
        )


class NoSuchSampleError(ProblemError):
    """No test image has this index."""

    def __init__(self, index: int, count: int) -> None:
        listed = f"send an index from 0 to {count - 1}" if count else "set DUET_DATA_DIR, no test images are available"
        super().__init__(f"unknown test image {index}: {listed}", count=count)


class UnknownPictureError(ProblemError):
    """No picture of the labelling queue has this id, or it was deleted or has expired."""

    def __init__(self) -> None:
        super().__init__(
            "this picture is not in the labelling queue, or was deleted or has expired: GET /labelling/next returns "
            "another one"
        )


class ClaimLostError(ProblemError):
    """The claim of a picture has expired, so that somebody else may have the picture."""

    def __init__(self) -> None:
        super().__init__("the claim of this picture has expired: GET /labelling/next returns another one")


class NothingToUndoError(ProblemError):
    """The caller has no label or skip for the picture."""

    def __init__(self) -> None:
        super().__init__("this key has neither labelled nor skipped this picture: undo is possible once per action")


class NoLabelledTrafficError(ProblemError):
    """No captured image has a label."""

    def __init__(self) -> None:
        super().__init__(
            "no stored image of the traffic has a class as its label: set DUET_CAPTURE_SHARE and label pictures at "
            "/ui/label, or send labels to POST /feedback"
        )

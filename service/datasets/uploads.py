"""Upload of labeled images: spool the body to disk -> parse -> decode every image -> stage -> install."""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from starlette.types import Receive

from core.errors import ConfigurationError, ImageError
from core.images.decode import decode_image
from core.images.labelled_folders import LabelledFolder, changing, dataset_names
from service.datasets.archive import other_archive, read_archive
from service.datasets.body import read_images, spool, write_single_file
from service.datasets.files import Candidate, Limits, Skipped, stored_name, too_large
from service.datasets.quota import Owner
from service.datasets.staging import Staging, bytes_of_all, labels_of_contents
from service.errors import (
    DatasetMediaTypeError,
    DatasetTooLargeError,
    DeadlineExceededError,
    HomeNotWritableError,
    InvalidParametersError,
    NoUsableImageError,
    StorageFullError,
    TooManyUploadsError,
    TooMuchWorkError,
)

_ZIP_TYPES = frozenset({"application/zip", "application/x-zip-compressed"})
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_PROBE_SIDE = 8
"""Size to which images are decoded for validation; a small size is cheap for JPEG."""

_Result = TypeVar("_Result")
log = logging.getLogger("duet.datasets")


@dataclass
class UploadSummary:
    """Counts of added files and duplicates, and the skipped files."""

    added: int = 0
    duplicates: int = 0
    skipped: list[Skipped] = field(default_factory=list)


class DatasetUploader:
    """Handles at most `max_uploads` simultaneous uploads, in its own threads."""

    def __init__(self, home: Path, limits: Limits, *, max_uploads: int) -> None:
        self._home = home
        self._limits = limits
        self._max_uploads = max_uploads
        self._running = 0
        self._threads = ThreadPoolExecutor(max_uploads, thread_name_prefix="uploads")

    async def add(
        self,
        name: str,
        label: str | None,
        content_type: str,
        length: int | None,
        receive: Receive,
        *,
        started: float,
        owner: Owner,
    ) -> tuple[LabelledFolder, UploadSummary]:
        """Add the images of a request to the data set `name`, which may be new.

        Args:
            name: of the data set, validated.
            label: class of all images, validated; None for a zip of class folders.
            content_type: the whole header.
            length: Content-Length, if any.
            receive: of the request, whose body has not been read.
            started: time of the request's head, on the clock of `time.perf_counter`.
            owner: the key of the request.

        Raises:
            ProblemError: the request is rejected; nothing of it is stored.
        """
        kind = content_type.partition(";")[0].strip().lower()
        _check_media_type(kind, label)
        if self._running >= self._max_uploads:
            raise TooManyUploadsError(self._running)
        self._running += 1
        try:
            staging = await self._in_thread(lambda: self._open_staging(owner))
            try:
                staging.require_free(length or 0, self._limits)
                await spool(receive, staging.body, self._threads, self._limits, length=length, started=started)
                # Shielded: after a cancellation the thread continues and needs the folder.
                return await asyncio.shield(self._in_thread(lambda: self._add(staging, name, label, content_type)))
            finally:
                self._threads.submit(staging.close)
        except OSError as error:
            raise storage_problem(error) from error
        finally:
            self._running -= 1

    async def add_files(
        self, name: str, files: Callable[[], Iterable[Candidate]], *, owner: Owner
    ) -> tuple[LabelledFolder, UploadSummary]:
        """Add images that the service already has to the data set `name`, which may be new.

        Args:
            name: of the data set, validated.
            files: returns the images; called and read in another thread.
            owner: the key of the request.

        Raises:
            ProblemError: the data set would be too large or has another layout, or no image can be used; nothing is
                stored.
        """
        if self._running >= self._max_uploads:
            raise TooManyUploadsError(self._running)
        self._running += 1
        try:
            return await asyncio.shield(self._in_thread(lambda: self._add_files(name, files(), owner)))
        except OSError as error:
            raise storage_problem(error) from error
        finally:
            self._running -= 1

    def close(self) -> None:
        """Wait for running uploads and end the threads."""
        self._threads.shutdown()

    def _open_staging(self, owner: Owner) -> Staging:
        try:
            return Staging(self._home, owner)
        except OSError as error:
            raise storage_problem(error) from error
        except ConfigurationError as error:
            log.error("upload rejected: %s", error)
            raise HomeNotWritableError from error

    def _add(
        self, staging: Staging, name: str, label: str | None, content_type: str
    ) -> tuple[LabelledFolder, UploadSummary]:
        uploaded_bytes = staging.body.stat().st_size
        summary = self._stage(staging, name, self._files(staging, label, content_type), uploaded_bytes)
        if summary.added + summary.duplicates == 0:
            raise NoUsableImageError(summary.skipped)
        return staging.install(name, self._limits), summary

    def _add_files(self, name: str, files: Iterable[Candidate], owner: Owner) -> tuple[LabelledFolder, UploadSummary]:
        staging = self._open_staging(owner)
        try:
            summary = self._stage(staging, name, files, self._limits.upload_bytes)
            if summary.added == 0 and name not in dataset_names(self._home):
                raise NoUsableImageError(summary.skipped)
            return staging.install(name, self._limits), summary
        finally:
            staging.close()

    def _files(self, staging: Staging, label: str | None, content_type: str) -> Iterator[Candidate | Skipped]:
        is_form = content_type.lower().startswith("multipart/form-data")
        if label is not None and is_form:
            return read_images(staging.body, content_type, label, self._limits)
        if label is not None:
            _refuse_other_archive(staging.body)
            return iter([_single_file(staging.body, label, self._limits)])
        archive = staging.body
        if is_form:
            archive = staging.archive
            write_single_file(staging.body, content_type, archive)
        _refuse_other_archive(archive)
        with archive.open("rb") as stream:
            if not stream.read(4).startswith(_ZIP_SIGNATURES):
                raise InvalidParametersError(
                    [("label", "required unless the body is a zip of class folders: send the class of the images")]
                )
        return read_archive(archive, self._limits)

    def _stage(
        self, staging: Staging, name: str, files: Iterable[Candidate | Skipped], uploaded_bytes: int
    ) -> UploadSummary:
        labels = labels_of_contents(self._home, name)
        summary, staged_bytes = UploadSummary(), 0
        with changing(self._home):
            room = self._limits.all_bytes - bytes_of_all(self._home)
            staging.require_quota(0)
        budget = _DecodingBudget(self._limits, uploaded_bytes)
        for file in files:
            if isinstance(file, Skipped):
                summary.skipped.append(file)
                continue
            problem = budget.problem(file.content)
            if problem is not None:
                summary.skipped.append(Skipped(file.name, problem))
                continue
            stored_as = stored_name(file.content)
            known = labels.get(stored_as)
            if known == file.label:
                summary.duplicates += 1
            elif stored_as in labels and known is None:
                summary.skipped.append(Skipped(file.name, "it was removed from the data set: restore it there"))
            elif known is not None:
                summary.skipped.append(Skipped(file.name, f"the data set already has this image, as class {known!r}"))
            else:
                staged_bytes += len(file.content)
                if staged_bytes > self._limits.bytes:
                    raise DatasetTooLargeError("bytes", self._limits.bytes)
                if staged_bytes > room:
                    raise DatasetTooLargeError("bytes", self._limits.all_bytes, together=True)
                staging.require_free(len(file.content), self._limits)
                staging.write(file.label, stored_as, file.content, part=file.part)
                labels[stored_as] = file.label
                summary.added += 1
        return summary

    def _in_thread(self, call: Callable[[], _Result]) -> asyncio.Future[_Result]:
        return asyncio.get_running_loop().run_in_executor(self._threads, call)


class _DecodingBudget:
    """Decodes the images of one upload, within its limits of pixels and of time."""

    def __init__(self, limits: Limits, uploaded_bytes: int) -> None:
        self._limits = limits
        self._pixels = limits.pixels_for(uploaded_bytes)
        self._left = self._pixels
        self._until = time.monotonic() + limits.decoding_seconds

    def problem(self, content: bytes) -> str | None:
        """Reason why the content is not a usable image, or None.

        Raises:
            TooMuchWorkError: the images have too many pixels for the size of the upload.
            DeadlineExceededError: the deadline has passed.
        """
        if time.monotonic() > self._until:
            raise DeadlineExceededError(
                f"the images were not decoded within {self._limits.decoding_seconds:g} s, and nothing of this upload "
                "was stored: send fewer at a time"
            )
        try:
            decoded = decode_image(content, height=_PROBE_SIDE, width=_PROBE_SIDE, max_pixels=self._limits.pixels)
        except ImageError as error:
            return str(error)
        width, height = decoded.original_size
        self._left -= width * height
        if self._left < 0:
            raise TooMuchWorkError(self._pixels)
        return None


def storage_problem(error: OSError) -> Exception:
    """The problem for a full or read-only disk; other errors are returned unchanged."""
    if error.errno in _FULL:
        return StorageFullError()
    if error.errno in _READ_ONLY:
        log.error("the folder of data sets is not writable: %s", error)
        return HomeNotWritableError()
    return error


def _check_media_type(kind: str, label: str | None) -> None:
    if kind in _ZIP_TYPES:
        if label is not None:
            raise InvalidParametersError(
                [("label", "not allowed with a zip, whose folder names are the classes: omit it")]
            )
    elif kind.startswith("image/"):
        if label is None:
            raise InvalidParametersError([("label", "required with an image: send its class")])
    elif kind not in ("multipart/form-data", "application/octet-stream"):
        raise DatasetMediaTypeError(kind or None)


def _refuse_other_archive(body: Path) -> None:
    found = other_archive(body)
    if found is not None:
        raise DatasetMediaTypeError(found)


def _single_file(body: Path, label: str, limits: Limits) -> Candidate | Skipped:
    if body.stat().st_size > limits.image_bytes:
        return Skipped("the body", too_large(limits.image_bytes))
    return Candidate("the body", label, body.read_bytes())

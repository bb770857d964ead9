"""Data set methods of the client: list, upload and delete labeled images for training."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from core.images.class_labels import shown
from core.schemas.dataset_edits import DatasetEditResult, DatasetEdits, DatasetImages
from core.schemas.dataset_reports import DatasetReportStatus
from core.schemas.datasets import DatasetDetail, DatasetList, DatasetUpload
from core.schemas.labels import FromTrafficResult
from duet.client.connection import Methods, drop_none, parsed
from duet.client.errors import ClientError
from duet.client.images import ImageInput, file_part


class DatasetMethods(Methods):
    """Data set methods of `Client`; changes need a key with scope jobs."""

    def datasets(self) -> DatasetList:
        """List all uploaded data sets; CIFAR-10 is not included."""
        return self._connection.get("/datasets", DatasetList)

    def dataset(self, name: str) -> DatasetDetail:
        """Return one data set with its classes."""
        return self._connection.get(_path(name), DatasetDetail)

    def add_archive(self, name: str, archive: str | os.PathLike[str] | bytes) -> DatasetUpload:
        """Add the images of a zip file that has one folder per class; idempotent.

        Args:
            name: name of a new or existing data set; jobs refer to it as `folder:NAME`.
            archive: path or content of the zip file.

        Raises:
            ClientError: the file cannot be read.
        """
        content = archive if isinstance(archive, bytes) else _read(Path(archive))
        return self._connection.post(
            _path(name), DatasetUpload, content=content, headers={"Content-Type": "application/zip"}
        )

    def add_images(self, name: str, label: str, *images: ImageInput) -> DatasetUpload:
        """Add images of one class; the image types are those of `Client.predict`.

        Raises:
            ClientError: no image was given, or an input is not an image.
        """
        if not images:
            raise ClientError("add_images needs at least one image")
        parts = [file_part(image, index) for index, image in enumerate(images)]
        return self._connection.post(_path(name), DatasetUpload, files=parts, params=drop_none({"label": label}))

    def dataset_images(
        self, name: str, *, label: str | None = None, removed: bool = False, offset: int = 0, limit: int = 60
    ) -> DatasetImages:
        """Return a page of the files of a data set, of one class or all; `removed` lists the removed ones instead."""
        query = {"label": label, "removed": removed or None, "offset": offset, "limit": limit}
        return self._connection.get(f"{_path(name)}/images", DatasetImages, query)

    def edit_dataset(
        self, name: str, labels: Mapping[str, str | None], *, reason: str | None = None
    ) -> DatasetEditResult:
        """Change the class of images, which makes a new version of the data set; no file is changed or deleted.

        Args:
            name: name of the data set.
            labels: class by path within the data set; None removes the image, and a class restores a removed one.
            reason: for the journal of edits.
        """
        changes = [{"file": file, "label": label} for file, label in labels.items()]
        return self._connection.post(
            f"{_path(name)}/edits", DatasetEditResult, json={"changes": changes} | drop_none({"reason": reason})
        )

    def add_traffic(self, name: str, *, reason: str | None = None) -> FromTrafficResult:
        """Add all labelled images of the captured traffic to a data set, which may be new; idempotent.

        Images whose label was corrected since an earlier call get the new class; `reason` is for the journal of edits.
        """
        return self._connection.post(
            f"{_path(name)}/from-traffic", FromTrafficResult, json=drop_none({"reason": reason})
        )

    def dataset_edits(self, name: str, *, offset: int = 0, limit: int = 20) -> DatasetEdits:
        """Return a page of the edits of a data set, newest first."""
        return self._connection.get(f"{_path(name)}/edits", DatasetEdits, {"offset": offset, "limit": limit})

    def dataset_report(self, name: str) -> DatasetReportStatus:
        """Return the report on the images of a data set, or its progress; the first call starts it."""
        return self._connection.get(f"{_path(name)}/report", DatasetReportStatus)

    def delete_dataset(self, name: str, *, reason: str | None = None) -> DatasetDetail:
        """Delete a data set permanently and return its last description; `reason` is for the audit trail."""
        return parsed(
            self._connection.request("DELETE", _path(name), repeatable=False, params=drop_none({"reason": reason})),
            DatasetDetail,
        )


def _path(name: str) -> str:
    return f"/datasets/{quote(name, safe='')}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClientError(f"cannot read {shown(str(path))}: {error.strerror}") from error

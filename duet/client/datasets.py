"""Data set methods of the client: list, upload and delete labeled images for training."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from core.images.class_labels import shown
from core.schemas.datasets import DatasetDetail, DatasetList, DatasetUpload
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

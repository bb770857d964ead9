"""What the client asks of data sets: images of one's own to train on."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from core.schemas.datasets import DatasetDetail, DatasetList, DatasetUpload
from duet.client.connection import Methods, drop_none, parsed
from duet.client.errors import ClientError
from duet.client.images import ImageInput, file_part


class DatasetMethods(Methods):
    """Of `Client`. Changes need a key of scope jobs."""

    def datasets(self) -> DatasetList:
        """All data sets, without CIFAR-10."""
        return self._connection.get("/datasets", DatasetList)

    def dataset(self, name: str) -> DatasetDetail:
        """One of them with its classes."""
        return self._connection.get(_path(name), DatasetDetail)

    def add_archive(self, name: str, archive: str | os.PathLike[str] | bytes) -> DatasetUpload:
        """Add the images of a zip, in which each class is a folder; sent again, they are there already.

        Args:
            name: of the data set, which need not exist yet; jobs call it `folder:NAME`.
            archive: the zip's path or content.

        Raises:
            ClientError: the file cannot be read.
        """
        content = archive if isinstance(archive, bytes) else _read(Path(archive))
        return self._connection.post(
            _path(name), DatasetUpload, content=content, headers={"Content-Type": "application/zip"}
        )

    def add_images(self, name: str, label: str, *images: ImageInput) -> DatasetUpload:
        """Add images of one class; each as of `Client.predict`.

        Raises:
            ClientError: no image was given, or one of them is none.
        """
        if not images:
            raise ClientError("add_images needs at least one image")
        parts = [file_part(image, index) for index, image in enumerate(images)]
        return self._connection.post(_path(name), DatasetUpload, files=parts, params=drop_none({"label": label}))

    def delete_dataset(self, name: str) -> DatasetDetail:
        """Delete a data set for good; what it was."""
        return parsed(self._connection.request("DELETE", _path(name), repeatable=False), DatasetDetail)


def _path(name: str) -> str:
    return f"/datasets/{quote(name, safe='')}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClientError(f"cannot read {path}: {error.strerror}") from error

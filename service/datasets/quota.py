"""Quota of a key for uploaded images: each data set records the bytes that each key has uploaded to it.

    DUET_HOME/datasets/<name>/.uploaded.json      {"bytes": {"<key id>": 123456}}

The file is deleted with its data set. The lock of the data sets is held while it is read or changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, ValidationError

from core.errors import explain
from core.files.durable import atomic_replace
from core.files.regular import read_regular
from core.images.labelled_folders import dataset_folder, dataset_names
from core.strict_model import StrictModel
from service.errors import DatasetQuotaError, NotReadyError

UPLOADED_NAME = ".uploaded.json"


class Owner(NamedTuple):
    """The key that uploads images, and its quota in bytes; None for no quota."""

    key_id: str
    max_bytes: int | None


class UploadedBytes(StrictModel):
    """Content of the file: bytes by key id."""

    bytes: dict[str, Annotated[int, Field(ge=0)]]


def check_quota(home: Path, owner: Owner, added: int) -> None:
    """Check that a key may upload `added` more bytes. The caller holds the lock.

    Raises:
        DatasetQuotaError: the images of the key would exceed its quota.
        NotReadyError: a file is damaged.
    """
    if owner.max_bytes is None:
        return
    stored = sum(_read(dataset_folder(home, name)).bytes.get(owner.key_id, 0) for name in dataset_names(home))
    if stored + added > owner.max_bytes:
        raise DatasetQuotaError(stored, owner.max_bytes)


def record_upload(folder: Path, owner: Owner, added: int) -> None:
    """Add bytes to those that a key has uploaded to the data set in `folder`. The caller holds the lock.

    Raises:
        NotReadyError: the file is damaged.
        OSError: it cannot be written.
    """
    recorded = _read(folder).bytes
    changed = UploadedBytes(bytes={**recorded, owner.key_id: recorded.get(owner.key_id, 0) + added})
    atomic_replace(folder / UPLOADED_NAME, changed.model_dump_json().encode())


def _read(folder: Path) -> UploadedBytes:
    path = folder / UPLOADED_NAME
    try:
        return UploadedBytes.model_validate_json(read_regular(path))
    except FileNotFoundError:
        return UploadedBytes(bytes={})
    except ValidationError as error:
        raise NotReadyError(
            f"{path} is not valid ({explain(error)}): delete it; its uploads then no longer count toward a quota"
        ) from None

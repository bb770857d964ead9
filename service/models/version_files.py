"""The files of a version that people read, and whether all of its files are as they were published."""

from __future__ import annotations

from core.repository.integrity import file_problem
from core.repository.manifest import CARD_NAME, FIGURES, Manifest
from core.repository.repository import ModelRepository
from core.schemas.models import FileCheck, VersionCheck
from service.errors import NoSuchVersionFileError, VersionRefusedError


def read_card(repository: ModelRepository, manifest: Manifest) -> bytes:
    """The model card, Markdown in UTF-8; raises as `read_figure` does."""
    return _read(repository, manifest, CARD_NAME)


def read_figure(repository: ModelRepository, manifest: Manifest, figure: str) -> bytes:
    """A picture of the card, as PNG.

    Raises:
        NoSuchVersionFileError: the manifest names no such figure.
        VersionRefusedError: it is not as recorded.
    """
    return _read(repository, manifest, f"{FIGURES}/{figure}")


def check_files(repository: ModelRepository, manifest: Manifest) -> VersionCheck:
    """Hash every file of a version."""
    folder = repository.folder(manifest.family, manifest.version)
    files = tuple(
        FileCheck(name=name, bytes=record.bytes, sha256=record.sha256, problem=file_problem(folder, name, record))
        for name, record in sorted(manifest.files.items())
    )
    return VersionCheck(
        model=manifest.family,
        version=manifest.version,
        intact=not any(file.problem for file in files),
        files=files,
    )


def _read(repository: ModelRepository, manifest: Manifest, name: str) -> bytes:
    record = manifest.files.get(name)
    if record is None:
        raise NoSuchVersionFileError(manifest.reference, name)
    folder = repository.folder(manifest.family, manifest.version)
    problem = file_problem(folder, name, record)
    if problem is not None:
        raise VersionRefusedError(manifest.family, manifest.version, f"{manifest.reference}: {name}: {problem}")
    return (folder / name).read_bytes()

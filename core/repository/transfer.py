"""Transfer of versions to and from a folder or an S3 bucket: `push` and `pull`.

Files are hashed before they are sent and when they are received. The manifest is stored last, so that an interrupted
push is not visible as a version; the next one continues it. A pull writes to a staging folder, which it then renames.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from core.errors import PublishError, RemoteError, explain
from core.files.home import require_space
from core.repository.alias_files import promoted_versions
from core.repository.integrity import is_plain_name
from core.repository.manifest import MANIFEST_NAME, Manifest
from core.repository.publishing import reserve
from core.repository.remote import RemoteVersions
from core.repository.repository import ModelRepository

MAX_FILES = 100
MAX_VERSION_BYTES = 4 * 1024**3
"""Maximum number of files, and of their bytes together, of a version that is pulled."""
_KNOWN_FILE = re.compile(
    r"README\.md|evaluation\.json|corrupted_holdout\.json|history\.jsonl|weights\.safetensors"
    r"|(model|model\.int8|gradient)\.onnx|(predictions|champion_predictions|images)\.npz|figures/[A-Za-z0-9_-]+\.png"
)
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Transfer:
    """Result of a push or a pull.

    Attributes:
        manifest: of the version.
        files: number of files that were sent or received, without the manifest.
        existed: whether the target had the version already.
    """

    manifest: Manifest
    files: int
    existed: bool = False


def push(repository: ModelRepository, family: str, version: int, remote: RemoteVersions, advance: Advance) -> Transfer:
    """Copy a version to the remote; files that are there already are not sent again.

    Args:
        repository: repository of the version.
        family: model family.
        version: number of the version.
        remote: the target.
        advance: called with the number of bytes of each file that is there.

    Raises:
        UnknownFamilyError, UnknownVersionError: there is no such version.
        CorruptVersionError: its files do not match its manifest; nothing is sent.
        RemoteError: the target cannot be written, or has another version of this number.
    """
    manifest = repository.verify(family, version)
    source = repository.folder(family, version)
    content = (source / MANIFEST_NAME).read_bytes()
    folder = f"{family}/{version}"
    if _is_there(remote, folder, manifest):
        advance(_bytes(manifest))
        return Transfer(manifest, files=0, existed=True)
    sent = 0
    for name, record in sorted(manifest.files.items()):
        path = f"{folder}/{name}"
        try:
            if not remote.has(path, record):
                remote.upload(path, source / name, record)
                sent += 1
        except RemoteError as error:
            raise _interrupted(manifest, error) from error
        advance(record.bytes)
    # The target may have been emptied, or another process may have pushed another version, in the meantime.
    try:
        missing = [name for name, record in manifest.files.items() if not remote.has(f"{folder}/{name}", record)]
        if missing:
            raise RemoteError(f"{remote.name}/{folder}/{missing[0]} was changed or removed by another process")
        created = remote.create_manifest(folder, content)
    except RemoteError as error:
        raise _interrupted(manifest, error) from error
    if not created and not _is_there(remote, folder, manifest):
        raise RemoteError(f"{remote.name} has no manifest of {manifest.reference} any more: push it again")
    return Transfer(manifest, files=sent)


def pull(repository: ModelRepository, family: str, version: int, remote: RemoteVersions, advance: Advance) -> Transfer:
    """Copy a version from the remote into the home; it is not promoted.

    Args:
        repository: receives the version.
        family: model family.
        version: number of the version, which stays the same.
        remote: the source.
        advance: called with the number of bytes of each part that was received.

    Raises:
        RemoteError: the source cannot be read, has no such version, or one that exceeds a limit or has other files.
        PublishError: the repository has another version of this number, or cannot be written.
        LowDiskError: too little disk space is free.
    """
    folder = f"{family}/{version}"
    content = remote.read_manifest(folder)
    if content is None:
        raise RemoteError(
            f"{remote.name} has no version {family}@{version}: `duet models pull {remote.name}` lists them"
        )
    manifest = _parse(content, remote, family, version)
    if version in repository.numbers(family):
        if repository.manifest(family, version) != manifest:
            raise PublishError(
                f"another version {family}@{version} exists here, and nothing was pulled: publish the version under "
                "another number where it was made, with `duet export`"
            )
        advance(_bytes(manifest))
        return Transfer(manifest, files=0, existed=True)
    if version in promoted_versions(repository.home_models, family) or repository.champion(family) == version:
        raise PublishError(
            f"{family}@{version} existed here and was deleted or lost; a rollback could serve another version of this "
            "number without a decision of the gate: restore it from a backup"
        )
    require_space(
        repository.home_models, _bytes(manifest), what=f"the version {manifest.reference}", advice="free some space"
    )
    with reserve(repository, family, version) as staging:
        for name, record in sorted(manifest.files.items()):
            file = staging.folder / name
            file.parent.mkdir(exist_ok=True)
            remote.download(f"{folder}/{name}", file, record, advance)
        staging.publish(manifest, content)
    return Transfer(manifest, files=len(manifest.files))


def _is_there(remote: RemoteVersions, folder: str, manifest: Manifest) -> bool:
    """Return whether the remote has the version.

    Raises:
        RemoteError: it has another version of this number.
    """
    content = remote.read_manifest(folder)
    if content is None:
        return False
    if _parse(content, remote, manifest.family, manifest.version) != manifest:
        raise RemoteError(
            f"{remote.name} has another version {manifest.reference}: nothing was pushed. Push to another folder or "
            "prefix, or publish the version under another number with `duet export`"
        )
    return True


def _parse(content: bytes, remote: RemoteVersions, family: str, version: int) -> Manifest:
    place = f"{remote.name}/{family}/{version}/{MANIFEST_NAME}"
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise RemoteError(f"{place} is not a manifest of this release: {explain(error)}") from error
    if (manifest.family, manifest.version) != (family, version):
        raise RemoteError(f"{place} describes {manifest.reference}")
    unknown = [name for name in manifest.files if not (is_plain_name(name) and _KNOWN_FILE.fullmatch(name))]
    if unknown:
        raise RemoteError(f"{place} names a file that versions do not have: {unknown[0][:100]!r}")
    if len(manifest.files) > MAX_FILES or _bytes(manifest) > MAX_VERSION_BYTES:
        raise RemoteError(
            f"{place} names {len(manifest.files):,} files of {_bytes(manifest):,} bytes; the limits are {MAX_FILES} "
            f"files and {MAX_VERSION_BYTES:,} bytes"
        )
    return manifest


def _bytes(manifest: Manifest) -> int:
    return sum(record.bytes for record in manifest.files.values())


def _interrupted(manifest: Manifest, error: RemoteError) -> RemoteError:
    return RemoteError(
        f"the push of {manifest.reference} stopped: {error}. The version is not visible there; run the command again "
        "to send the rest"
    )

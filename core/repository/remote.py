"""Remote copies of versions: a folder or an S3 bucket, laid out like a layer of the model repository.

    <target>/<family>/<version>/manifest.json and the files that it names

obstore, the package of the extra `remote`, makes the requests. Credentials, region and endpoint of a bucket come from
the usual variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.errors import ConfigurationError, RemoteError
from core.repository.manifest import FAMILY_PATTERN, MANIFEST_NAME, FileRecord

if TYPE_CHECKING:
    from obstore import Bytes
    from obstore.store import LocalStore, S3Store

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_OBJECTS = 100_000
"""Maximum number of objects that are listed."""
CHUNK_BYTES = 1024 * 1024
RANGE_BYTES = 8 * 1024 * 1024
"""Bytes of a file that one request downloads: the time limit of a request covers its body."""
_UPLOADS = 4
"""Parts of 5 MiB that are uploaded concurrently; with more, each is slower, and the time limit covers its body too."""
_DIGEST = "sha256"
"""Metadata of an object in S3 with the digest of its content."""
_VERSION = re.compile(rf"({FAMILY_PATTERN[1:-1]})/([1-9][0-9]{{0,8}})/{re.escape(MANIFEST_NAME)}")
_RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
_CLIENT: Any = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=60)}


class RemoteVersions:
    """Objects below a folder or a prefix of a bucket. Paths are relative to it.

    Attributes:
        name: for messages.
    """

    def __init__(self, target: str, *, create: bool = False) -> None:
        """Open a folder or `s3://bucket/prefix`; a bucket is not contacted yet.

        Args:
            target: as given by the user.
            create: create a folder that does not exist.

        Raises:
            ConfigurationError: the target is neither, a folder does not exist, or obstore is not installed.
        """
        try:
            import obstore
        except ImportError as error:
            raise ConfigurationError(
                "this command needs the extra remote (obstore not found): in a checkout of Duet, run "
                "pip install -e '.[remote]'"
            ) from error
        self._obstore = obstore
        self._local = "://" not in target
        self.name = target if self._local else target.rstrip("/")
        self._store: LocalStore | S3Store = _folder(target, create) if self._local else _bucket(target)

    def read_manifest(self, folder: str) -> bytes | None:
        """Content of the manifest in `folder`; None if there is none.

        Raises:
            RemoteError: it cannot be read, or is too large.
        """
        path = f"{folder}/{MANIFEST_NAME}"
        with self._errors(path):
            try:
                found = self._obstore.get(self._store, path)
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None
            if found.meta["size"] > MAX_MANIFEST_BYTES:
                raise RemoteError(f"{self.name}/{path} has more than {MAX_MANIFEST_BYTES:,} bytes: it is no manifest")
            return bytes(found.bytes())

    def has(self, path: str, record: FileRecord) -> bool:
        """Return whether there is an object with this size and content.

        In a bucket, the digest is that of the object's metadata, which were stored together with its content. A file in
        a folder is hashed.

        Raises:
            RemoteError: the remote cannot be read.
        """
        with self._errors(path):
            try:
                found = self._obstore.get(self._store, path, options={"head": not self._local})
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return False
            if found.meta["size"] != record.bytes:
                return False
            if not self._local:
                return found.attributes.get(_DIGEST) == record.sha256
            digest = hashlib.sha256()
            for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                digest.update(chunk)
            return digest.hexdigest() == record.sha256

    def upload(self, path: str, file: Path, record: FileRecord) -> None:
        """Store a file, in one step.

        Raises:
            RemoteError: it cannot be written.
        """
        with self._errors(path):
            attributes = None if self._local else {_DIGEST: record.sha256}
            self._obstore.put(self._store, path, file, attributes=attributes, max_concurrency=_UPLOADS)

    def create_manifest(self, folder: str, content: bytes) -> bool:
        """Store a manifest if there is none, in one step.

        Returns:
            False if another process stored one first.

        Raises:
            RemoteError: it cannot be written.
        """
        path = f"{folder}/{MANIFEST_NAME}"
        with self._errors(path):
            try:
                self._obstore.put(self._store, path, content, mode="create")
            except self._obstore.exceptions.AlreadyExistsError:
                return False
        return True

    def download(self, path: str, file: Path, record: FileRecord, advance: Callable[[int], None]) -> None:
        """Write an object to a new file, and check its size and digest.

        Args:
            path: the object.
            file: the file; its folder exists.
            record: expected size and digest.
            advance: called with the number of bytes of each chunk.

        Raises:
            RemoteError: it cannot be read, or has other content.
            OSError: the file cannot be written.
        """
        digest, size = hashlib.sha256(), 0
        with file.open("xb") as stream:
            for chunk in self._ranges(path, record.bytes):
                size += len(chunk)
                digest.update(chunk)
                stream.write(chunk)
                advance(len(chunk))
        if (size, digest.hexdigest()) != (record.bytes, record.sha256):
            raise RemoteError(
                f"{self.name}/{path} has other content than its manifest says: remove the version there, and push it "
                "again"
            )

    def versions(self) -> list[tuple[str, int]]:
        """Family and number of each complete version, sorted.

        Raises:
            RemoteError: the remote cannot be listed, or has too many objects.
        """
        found, objects = [], 0
        with self._errors(""):
            for page in self._obstore.list(self._store, chunk_size=1000):
                objects += len(page)
                if objects > MAX_OBJECTS:
                    raise RemoteError(f"{self.name} has more than {MAX_OBJECTS:,} objects: name a folder of versions")
                found += [match for each in page if (match := _VERSION.fullmatch(each["path"]))]
        return sorted((match[1], int(match[2])) for match in found)

    def _ranges(self, path: str, size: int) -> Iterator[Bytes]:
        """Content of an object in parts; nothing if its size is another."""
        with self._errors(path):
            if self._obstore.head(self._store, path)["size"] != size:
                return
            for start in range(0, size, RANGE_BYTES):
                end = min(start + RANGE_BYTES, size)
                yield self._obstore.get_range(self._store, path, start=start, end=end)

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        """Convert the errors of obstore, and of a disk, into RemoteError."""
        try:
            yield
        except (self._obstore.exceptions.BaseError, OSError, ValueError, NotImplementedError) as error:
            place = f"{self.name}/{path}".rstrip("/")
            raise RemoteError(f"{place}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """First line of a message, without the debugging output after it, and the error code of S3."""
    text = str(error)
    code = re.search(r"<Code>(\w+)</Code>", text)
    match code and code[1]:
        case "NoSuchBucket":
            return "the bucket does not exist"
        case "AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" as refused:
            return f"access refused ({refused}): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy"
    line = " ".join(text.partition("\n")[0].split())
    return line if len(line) <= 300 else f"{line[:300]}..."


def _folder(target: str, create: bool) -> LocalStore:
    from obstore.store import LocalStore

    path = Path(target).expanduser().absolute()
    if create:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"cannot create the folder {path}: {error.strerror}") from error
    if not path.is_dir():
        raise ConfigurationError(f"{path} is not a folder: name a folder of versions, or s3://BUCKET/PREFIX")
    return LocalStore(path)


def _bucket(target: str) -> S3Store:
    from obstore.store import S3Store

    parts = urlsplit(target)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigurationError(f"{target} is neither a folder nor a bucket: write a path, or s3://BUCKET/PREFIX")
    client: Any = {**_CLIENT, "allow_http": os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")}
    try:
        return S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            checksum_algorithm="SHA256",
            client_options=client,
            retry_config=_RETRIES,
        )
    except Exception as error:  # obstore raises several unrelated types for wrong variables
        raise ConfigurationError(f"{target} cannot be opened: {_reason(error)}") from error

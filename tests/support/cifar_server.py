"""Local server of a small archive in CIFAR-10's format, with ranges and faults."""

from __future__ import annotations

import hashlib
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from core.images.cifar_files import FOLDER_NAME
from tests.support.cifar_files import write_cifar_files
from training.data.cifar10 import load_cifar10
from training.data.download import Archive


@dataclass
class PublishedCifar:
    """The archive at its address.

    Attributes:
        path: file that the server sends; remove it for a 404, change it for damaged data.
        archive: its description, for downloads.
        digest: of the data set in it.
        cut_after: number of bytes after which the next response ends, one entry per response.
        ignores_ranges: send the whole archive to every request.
        ranges: Range header of each request.
    """

    path: Path
    archive: Archive
    digest: str
    cut_after: list[int] = field(default_factory=list)
    ignores_ranges: bool = False
    ranges: list[str | None] = field(default_factory=list)

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Name and md5 of each file."""
        return self.archive.files


@contextmanager
def published_cifar(folder: Path) -> Iterator[PublishedCifar]:
    """Serve an archive of small images, which is written to `folder`."""
    files = tuple(write_cifar_files(folder / FOLDER_NAME))
    path = folder / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder / FOLDER_NAME, FOLDER_NAME)
    digest = load_cifar10(folder, files=files).digest
    content = path.read_bytes()
    unpacked = sum((folder / FOLDER_NAME / name).stat().st_size for name, _ in files)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}/{path.name}"
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        published = PublishedCifar(path, Archive(url, md5, len(content), unpacked, files), digest)
        server.published = published  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield published
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        published: PublishedCifar = self.server.published  # type: ignore[attr-defined]
        asked = self.headers.get("Range")
        published.ranges.append(asked)
        if not published.path.exists():
            self.send_error(404)
            return
        content = published.path.read_bytes()
        start = 0
        if asked is not None and not published.ignores_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + published.cut_after.pop(0) if published.cut_after else len(content)
        self.wfile.write(content[start:end])

    def log_message(self, *arguments: object) -> None:
        pass

"""Archives other than zip."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest

from service.datasets.archive import other_archive
from tests.support.onnx_models import gray_png


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("cat/1.png"), io.BytesIO())
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (tar(), "application/x-tar"),
        (gzip.compress(tar()), "application/gzip"),
        (bz2.compress(tar()), "application/x-bzip2"),
        (lzma.compress(tar()), "application/x-xz"),
        (gray_png(0), None),
        (b"PK\x03\x04", None),
        (b"", None),
    ],
    # gzip writes the time into its output, so that the contents would give each process of pytest-xdist other names.
    ids=["tar", "gzip", "bzip2", "xz", "png", "zip", "empty"],
)
def test_archive_is_recognized(tmp_path: Path, content: bytes, kind: str | None) -> None:
    (tmp_path / "body").write_bytes(content)
    assert other_archive(tmp_path / "body") == kind

"""Append-only files of the embedded broker: their manifest, and a consistent view of them while the broker runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from core.errors import ConfigurationError
from core.files.regular import open_regular, read_regular
from service.broker.address import BROKER_NAME

APPEND_FOLDER = f"{BROKER_NAME}/appendonlydir"
MANIFEST = f"{APPEND_FOLDER}/appendonly.aof.manifest"
ATTEMPTS = 10
"""Attempts to open all files before the broker rewrites them again."""
_LINE = re.compile(r"file (?P<name>[A-Za-z0-9_.-]+) seq \d+ type (?P<type>[bhi])(?: startoffset \d+ endoffset \d+)?")


class AppendFile(NamedTuple):
    """An open file, and its size in bytes when the manifest was read."""

    name: str
    stream: BinaryIO
    size: int


def listed_files(manifest: bytes) -> list[str]:
    """Names of the files of the manifest that hold the data: the base file and the increments, in order.

    Raises:
        ConfigurationError: a line is not one of a manifest.
    """
    names = []
    for line in manifest.decode("utf-8", "replace").splitlines():
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise ConfigurationError(f"{MANIFEST} has an unknown line: {line[:200]!r}")
        if found["type"] != "h":  # history: replaced files that the broker is about to delete
            names.append(found["name"])
    return names


@contextmanager
def opened_append_files(home: Path) -> Iterator[list[AppendFile]]:
    """Open the manifest and the files that it names; empty if no broker has run in the home.

    The base file never changes, and increments are only appended to, so that the files up to their current sizes are a
    state of the broker. A broker that starts from them cuts off an incomplete last command. If the broker replaces its
    files meanwhile, the open files stay readable.

    Raises:
        ConfigurationError: a file is missing, or the broker replaced its files at each attempt.
        OSError: a file cannot be read.
    """
    for _ in range(ATTEMPTS):
        with ExitStack() as stack:
            try:
                before = read_regular(home / MANIFEST)
            except FileNotFoundError:
                yield []
                return
            try:
                names = ["appendonly.aof.manifest", *listed_files(before)]
                streams = [stack.enter_context(open_regular(home / APPEND_FOLDER / name)) for name in names]
            except FileNotFoundError as error:
                if read_regular(home / MANIFEST) == before:
                    raise ConfigurationError(f"{MANIFEST} names a file that is missing: {error.filename}") from error
                continue
            if read_regular(home / MANIFEST) != before:
                continue
            sizes = [os.fstat(stream.fileno()).st_size for stream in streams]
            yield [
                AppendFile(f"{APPEND_FOLDER}/{name}", stream, size)
                for name, stream, size in zip(names, streams, sizes, strict=True)
            ]
            return
    raise ConfigurationError(f"the broker replaced the files of {APPEND_FOLDER} {ATTEMPTS} times: try again")

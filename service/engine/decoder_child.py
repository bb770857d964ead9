"""Decoder process: decodes images of clients in a process that can be killed and whose memory is limited.

    python -P -m service.engine.decoder_child PARENT DESCRIPTOR

It reads requests from the socket DESCRIPTOR and responds to each with pixels or an error. Requests and responses are
messages: the lengths of a JSON head and of a payload (8 bytes each, big-endian), then the head, then the payload. The
parent accepts no other format, because a compromised decoder may send anything.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import struct
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from core.errors import ImageError, ImageTooLargeError
from core.images.decode import Crop, decode_images
from core.images.geometry import ModelInput
from core.images.libtiff import silence_libtiff
from core.images.limits import MAX_DECODE_BYTES
from service.engine.memory import return_free_memory
from service.supervisor.die_with_parent import die_with

IDLE_SECONDS = 60.0
"""Time without requests after which the process ends."""
MAX_HEAD_BYTES = 65_536
_FILE_COPIES = 4
"""Copies of the file in memory: as received, without metadata, and in the decoder."""
_SPARE_BYTES = 32_000_000
_TRACEBACK_CHARACTERS = 4_000

_LENGTHS = struct.Struct(">QQ")


def send_message(connection: socket.socket, head: dict[str, Any], payload: bytes | bytearray, until: float) -> None:
    """Send a message before the time `until`, on the clock of `time.perf_counter`.

    Raises:
        TimeoutError: `until` has passed.
        OSError: the connection is closed.
    """
    encoded = json.dumps(head).encode()
    for part in (_LENGTHS.pack(len(encoded), len(payload)) + encoded, payload):
        connection.settimeout(_left(until))
        connection.sendall(part)


def receive_message(
    connection: socket.socket, until: float, *, max_payload: int = sys.maxsize
) -> tuple[dict[str, Any], bytearray]:
    """Receive the head and the payload of a message; see `send_message`.

    Raises:
        TimeoutError: `until` has passed.
        OSError: the connection is closed.
        ValueError: the message is too long, or its head is not a JSON object.
    """
    head_bytes, payload_bytes = _LENGTHS.unpack(_receive(connection, _LENGTHS.size, until))
    if head_bytes > MAX_HEAD_BYTES or payload_bytes > max_payload:
        raise ValueError(f"a message of {head_bytes} and {payload_bytes} bytes is too long")
    head = json.loads(_receive(connection, head_bytes, until))
    if not isinstance(head, dict):
        raise ValueError("the head of a message is not an object")
    return head, _receive(connection, payload_bytes, until)


def _receive(connection: socket.socket, size: int, until: float) -> bytearray:
    data = bytearray(size)
    view, received = memoryview(data), 0
    while received < size:
        connection.settimeout(_left(until))
        count = connection.recv_into(view[received:])
        if not count:
            raise ConnectionError("the connection is closed by the other process")
        received += count
    return data


def _left(until: float) -> float:
    left = until - time.perf_counter()
    if left <= 0:
        raise TimeoutError
    return left


def main() -> None:
    """Answer requests until the parent closes the socket or sends none for IDLE_SECONDS."""
    parent, descriptor = map(int, sys.argv[1:])
    die_with(parent, signal.SIGKILL)
    silence_libtiff()
    with socket.socket(fileno=descriptor) as connection:
        while True:
            try:
                head, data = receive_message(connection, time.perf_counter() + IDLE_SECONDS)
                send_message(connection, *_answer(head, bytes(data)), time.perf_counter() + IDLE_SECONDS)
            except (TimeoutError, ConnectionError):
                return
            del head, data
            return_free_memory()


def _answer(head: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """Decode an image with the parameters in the head; `DecoderProcess.decode` describes request and response."""
    try:
        _limit_memory(MAX_DECODE_BYTES + _FILE_COPIES * len(data) + _SPARE_BYTES)
        images = decode_images(
            data,
            [ModelInput(*each) for each in head["inputs"]],
            max_pixels=head["max_pixels"],
            crop=Crop(*head["crop"]) if head["crop"] else None,
        )
    except (ImageError, MemoryError) as error:
        problem = _memory_problem(error, data)
        return {"error": type(problem).__name__, "message": str(problem)}, b""
    except Exception as error:  # a bug, which the service reports
        return {"failure": "".join(traceback.format_exception(error))[-_TRACEBACK_CHARACTERS:]}, b""
    finally:
        _limit_memory(None)
    notes = [{"notes": image.notes, "original_size": image.original_size} for image in images]
    return {"images": notes}, b"".join([image.pixels_HWC.tobytes() for image in images])


def _memory_problem(error: ImageError | MemoryError, data: bytes) -> ImageError:
    """Return the error, or an error about too little memory; libwebp does not distinguish it from a damaged file."""
    limit = f"{MAX_DECODE_BYTES / 1e6:.0f} MB of memory"
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        return ImageTooLargeError(f"decoding the image takes more than {limit}, the limit: save it as a PNG")
    if type(error) is ImageError and data.startswith(b"RIFF"):
        return ImageError(f"the WebP image is damaged or truncated, or takes more than {limit}: save it as a PNG")
    return error


def _limit_memory(more_bytes: int | None) -> None:
    """Limit this process to `more_bytes` more memory than it has, or remove the limit; only Linux enforces it."""
    if sys.platform == "linux":
        with Path("/proc/self/statm").open(encoding="ascii") as file:
            mapped = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = hard if more_bytes is None else mapped + more_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


if __name__ == "__main__":
    main()

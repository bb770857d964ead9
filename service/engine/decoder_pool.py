"""Pool of decoder processes, for images whose decoding cost is not known from their header.

A process starts with the first such image and ends after some time without images. It is killed when the deadline of
its request passes; the next image starts another process.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.errors import CropError, ImageError, ImageTooLargeError, UnsupportedImageError
from core.images.decode import Crop, DecodedImage
from core.images.geometry import ModelInput
from service.engine.decoder_child import receive_message, send_message
from service.supervisor.program import describe_end

log = logging.getLogger("duet.decoder")
_ERRORS: dict[str, type[ImageError]] = {
    error.__name__: error for error in (ImageError, ImageTooLargeError, UnsupportedImageError, CropError)
}
_CHANNELS = 3
_STANDARD_ERROR = 2


class DecoderPool:
    """At most `size` decoder processes, each used by one thread at a time. The most recently used one is used first."""

    def __init__(self, size: int) -> None:
        """No process is started yet."""
        self._processes = [DecoderProcess() for _ in range(size)]
        self._free: queue.LifoQueue[DecoderProcess] = queue.LifoQueue()
        for process in self._processes:
            self._free.put(process)

    def decode(
        self, data: bytes, inputs: Sequence[ModelInput], *, max_pixels: int, crop: Crop | None, until: float
    ) -> list[DecodedImage]:
        """Decode as `core.images.decode.decode_images` does; blocks, at most until the time `until`.

        Args:
            data: the file.
            inputs: input size of each model.
            max_pixels: largest allowed number of pixels.
            crop: the part of the image to use.
            until: on the clock of `time.perf_counter`.

        Raises:
            ImageError: see `decode_images`; also if decoding takes too much memory or the process dies.
            TimeoutError: `until` has passed.
            OSError: no process can be started, or the pool is closed.
        """
        process = self._free.get()
        try:
            return process.decode(data, inputs, max_pixels=max_pixels, crop=crop, until=until)
        finally:
            self._free.put(process)

    def kill(self) -> None:
        """Kill all processes, including busy ones; no new one is started. Safe to call from another thread."""
        for process in self._processes:
            process.kill()

    def close(self) -> None:
        """Release the killed processes; no thread may use them any more."""
        for process in self._processes:
            process.stop()


class DecoderProcess:
    """One decoder process; used by one thread at a time, except for `kill`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._killed = threading.Event()

    def decode(
        self, data: bytes, inputs: Sequence[ModelInput], *, max_pixels: int, crop: Crop | None, until: float
    ) -> list[DecodedImage]:
        """See `DecoderPool.decode`."""
        used_before = self._connection is not None
        try:
            return self._exchange(data, inputs, max_pixels=max_pixels, crop=crop, until=until)
        except ConnectionError as error:
            status = self.stop()
            if self._killed.is_set():
                raise
            if not used_before:
                log.error("a decoder process died: %s", describe_end(status))
                raise ImageError("the decoder failed on the image: save it as a PNG and send that") from error
        # The process may have ended just before it received the image, because it was idle.
        return self.decode(data, inputs, max_pixels=max_pixels, crop=crop, until=until)

    def kill(self) -> None:
        """Kill the process; no new one is started. Safe to call from another thread."""
        self._killed.set()
        process = self._process
        if process is not None:
            process.kill()

    def stop(self) -> int:
        """Kill the process if it is alive, and return its exit status; 0 without a process."""
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is None:
            return 0
        process.kill()
        return process.wait()

    def _exchange(
        self, data: bytes, inputs: Sequence[ModelInput], *, max_pixels: int, crop: Crop | None, until: float
    ) -> list[DecodedImage]:
        """Send a request and receive the response.

        Raises:
            ConnectionError: the process has ended.
        """
        connection = self._connection or self._start()
        pixels = sum(each.height * each.width * _CHANNELS for each in inputs)
        try:
            send_message(connection, {"inputs": inputs, "max_pixels": max_pixels, "crop": crop}, data, until)
            return _decoded(*receive_message(connection, until, max_payload=pixels), inputs)
        except TimeoutError:
            log.warning("killed a decoder process at the deadline of a request")
            self.stop()
            raise
        except (ValueError, KeyError, TypeError) as error:
            self.stop()
            log.error("a decoder process sent an invalid response: %s", error)
            raise ImageError("the decoder failed on the image: save it as a PNG and send that") from error

    def _start(self) -> socket.socket:
        if self._killed.is_set():
            raise ConnectionError("the decoder is closed")
        here, there = socket.socketpair()
        try:
            # Its environment has neither keys nor passwords. One thread of OpenBLAS maps little memory.
            environment = {name: value for name, value in os.environ.items() if not name.startswith("DUET_")}
            arguments = [
                "-P",
                "-W",
                "ignore",
                "-m",
                "service.engine.decoder_child",
                str(os.getpid()),
                str(there.fileno()),
            ]
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=_STANDARD_ERROR,  # standard output is reserved for the service's address line
                pass_fds=[there.fileno()],
                env=environment | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        except OSError:
            here.close()
            raise
        finally:
            there.close()
        self._connection = here
        if self._killed.is_set():  # `kill` was called in the meantime
            self._process.kill()
        return here


def _decoded(answer: dict[str, Any], payload: bytearray, inputs: Sequence[ModelInput]) -> list[DecodedImage]:
    """Read the images of a response.

    Raises:
        ImageError: the response is an error about the image.
        RuntimeError: the response reports a bug of the decoder.
        ValueError, KeyError, TypeError: the response has an invalid form.
    """
    if "failure" in answer:
        raise RuntimeError(f"the decoder process failed: {answer['failure']}")
    if "error" in answer:
        raise _ERRORS[answer["error"]](answer["message"])
    images, start = [], 0
    for facts, (height, width, _) in zip(answer["images"], inputs, strict=True):
        pixels_HWC = np.frombuffer(bytes(payload[start : start + height * width * _CHANNELS]), np.uint8)
        start += pixels_HWC.size
        across, down = facts["original_size"]
        notes = tuple(map(str, facts["notes"]))
        images.append(DecodedImage(pixels_HWC.reshape(height, width, _CHANNELS), notes, (int(across), int(down))))
    return images

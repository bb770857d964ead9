"""Decoder processes: same results as in the service, and bounded time and memory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from core.errors import CropError, ImageError, ImageTooLargeError
from core.images.decode import Crop, decode_images
from core.images.geometry import ModelInput
from service.engine import decoder_child
from service.engine.decoder_pool import DecoderPool
from tests.hostile.image_files import photograph, saved, webp_of_many_codes

INPUTS = [ModelInput(8, 12, "pad"), ModelInput(16, 16, "crop"), ModelInput(8, 12, "stretch")]
WEBP = saved(photograph(100), "WEBP")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits and parent-death signals of Linux")


def far() -> float:
    return time.perf_counter() + 120


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    made = DecoderPool(1)
    yield made
    made.kill()
    made.close()


def decoder_processes() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if "service.engine.decoder_child" in child.cmdline()]


def decode(pool: DecoderPool, data: bytes = WEBP, until: float | None = None, crop: Crop | None = None) -> None:
    """Decode, and compare the result with that of this process."""
    images = pool.decode(data, INPUTS, max_pixels=1_000_000, crop=crop, until=until or far())
    for image, expected in zip(images, decode_images(data, INPUTS, max_pixels=1_000_000, crop=crop), strict=True):
        assert image.pixels_HWC.tobytes() == expected.pixels_HWC.tobytes()
        assert image.pixels_HWC.shape == expected.pixels_HWC.shape
        assert not image.pixels_HWC.flags.writeable
        assert (image.notes, image.original_size) == (expected.notes, expected.original_size)


def test_results_equal_those_without_a_process(pool: DecoderPool) -> None:
    assert decoder_processes() == []  # no process before the first image
    decode(pool)
    decode(pool, saved(Image.new("P", (30, 20)), "GIF"))
    decode(pool, crop=Crop(10, 20, 30, 40))
    assert len(decoder_processes()) == 1


def test_errors_keep_their_class_and_message(pool: DecoderPool) -> None:
    cases: list[tuple[bytes, Crop | None, type[ImageError], str]] = [
        (WEBP[:200], None, ImageError, "damaged or truncated"),
        (saved(photograph(1_200), "WEBP"), None, ImageTooLargeError, "1200x1200 pixels, the limit is 1 megapixels"),
        (WEBP, Crop(90, 90, 20, 20), CropError, "not within the image"),
    ]
    for data, crop, error, message in cases:
        with pytest.raises(ImageError, match=message) as raised:
            pool.decode(data, INPUTS, max_pixels=1_000_000, crop=crop, until=far())
        assert type(raised.value) is error


def test_bug_of_the_decoder_is_reported_with_its_traceback(pool: DecoderPool) -> None:
    with pytest.raises(RuntimeError, match="in _answer"):
        pool.decode(WEBP, INPUTS, max_pixels="many", crop=None, until=far())  # type: ignore[arg-type]
    decode(pool)


@LINUX
def test_memory_of_an_image_is_limited(pool: DecoderPool) -> None:
    with pytest.raises(ImageError, match="takes more than 150 MB of memory"):
        pool.decode(webp_of_many_codes(), INPUTS, max_pixels=25_000_000, crop=None, until=far())
    decode(pool)
    assert len(decoder_processes()) == 1


@LINUX
def test_process_that_hangs_is_killed_at_the_deadline(pool: DecoderPool) -> None:
    decode(pool)
    [hanging] = decoder_processes()
    hanging.send_signal(signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        decode(pool, until=time.perf_counter() + 0.2)
    assert not hanging.is_running()
    decode(pool)


def test_process_that_ended_between_two_images_is_replaced(pool: DecoderPool) -> None:
    decode(pool)
    [ended] = decoder_processes()
    ended.kill()
    decode(pool)
    assert ended not in decoder_processes()


def test_idle_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = socket.socketpair()
    monkeypatch.setattr(decoder_child, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(decoder_child, "die_with", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["decoder_child", str(os.getppid()), str(there.detach())])
    with here:
        decoder_child.main()
        assert here.recv(1) == b""


@LINUX
def test_process_has_no_secrets(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_API_KEYS", "admin:hidden-words")
    decode(pool)
    [process] = decoder_processes()
    assert "hidden-words" not in str(process.environ())


@LINUX
def test_kill_ends_a_process_that_decodes(pool: DecoderPool) -> None:
    decode(pool)
    [hanging] = decoder_processes()
    hanging.send_signal(signal.SIGSTOP)
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            decode(pool)
        except OSError as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    pool.kill()
    thread.join(60)
    assert not thread.is_alive()
    assert isinstance(raised[0], ConnectionError)


@LINUX
def test_process_dies_with_the_service(tmp_path: Path) -> None:
    image = tmp_path / "a.webp"
    image.write_bytes(WEBP)
    script = f"""
import time
from pathlib import Path
from core.images.geometry import ModelInput
from service.engine.decoder_pool import DecoderPool
pool = DecoderPool(1)
pool.decode(Path({str(image)!r}).read_bytes(), [ModelInput(8, 8, "pad")], max_pixels=10**6, crop=None,
            until=time.perf_counter() + 120)
print("decoded", flush=True)
time.sleep(600)
"""
    service = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    with service:
        assert service.stdout is not None
        assert service.stdout.readline() == "decoded\n"
        [process] = psutil.Process(service.pid).children()
        process.send_signal(signal.SIGSTOP)  # cannot notice the end of the connection
        service.kill()
    psutil.wait_procs([process], timeout=60)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE

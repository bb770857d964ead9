"""Return of unused memory to the operating system: freed memory that glibc keeps, and mapped weights."""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import Iterator
from pathlib import Path

WEIGHTS_SUFFIX = ".safetensors"
_MAPS = Path("/proc/self/maps")
_DONTNEED = 4
"""MADV_DONTNEED of Linux, see madvise(2)."""
_MEBIBYTE = 1024 * 1024
# Options of `mallopt` in glibc's malloc.h, and their values. By default every thread gets an arena, which keeps the
# memory of the largest request that the thread has served. Blocks of a mebibyte or more are returned when freed; by
# default, glibc raises this limit up to 32 MiB when such blocks are freed.
_OPTIONS = {"M_ARENA_MAX": (-8, 2), "M_MMAP_THRESHOLD": (-3, _MEBIBYTE), "M_TRIM_THRESHOLD": (-1, 4 * _MEBIBYTE)}
_CHECK_SECONDS = 15.0
_WORK_SECONDS = 1.0
"""CPU time after which memory is returned; an idle process returns none."""


def limit_free_memory() -> None:
    """Limit the freed memory that the C library keeps; call it before threads start. No effect without glibc."""
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        for option, value in _OPTIONS.values():
            library.mallopt(option, value)


def return_free_memory() -> None:
    """Return freed memory to the operating system, if the C library can (`malloc_trim` of glibc). Blocks for some ms.

    On Linux, the pages of mapped weights are returned too. OpenVINO keeps them mapped to compile further batch sizes.
    Reading them again gets them from the page cache of the system.
    """
    library = ctypes.CDLL(None)
    trim = getattr(library, "malloc_trim", None)
    if trim is not None:
        trim(0)
    if _MAPS.exists():
        for start, end in _mapped_weights(_MAPS.read_text(encoding="utf-8", errors="replace")):
            library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONTNEED)


def _mapped_weights(maps: str) -> Iterator[tuple[int, int]]:
    """Address ranges of read-only mappings of weights in the text of /proc/self/maps (proc(5))."""
    for line in maps.splitlines():
        if line.endswith(WEIGHTS_SUFFIX):
            addresses, permissions, *_ = line.split()
            if "w" not in permissions:
                start, _, end = addresses.partition("-")
                yield int(start, 16), int(end, 16)


async def return_memory_regularly() -> None:
    """Return freed memory after every second of CPU time, at most every 15 s, until cancelled."""
    spent = time.process_time()
    while True:
        await asyncio.sleep(_CHECK_SECONDS)
        if time.process_time() - spent >= _WORK_SECONDS:
            await asyncio.to_thread(return_free_memory)
            spent = time.process_time()

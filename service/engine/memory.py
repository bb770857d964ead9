"""Freed memory of the C library: glibc keeps it unless it is configured to return it to the operating system."""

from __future__ import annotations

import asyncio
import ctypes
import time

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
    """Return freed memory to the operating system, if the C library can (`malloc_trim` of glibc). Blocks for ms."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


async def return_memory_regularly() -> None:
    """Return freed memory after every second of CPU time, at most every 15 s, until cancelled."""
    spent = time.process_time()
    while True:
        await asyncio.sleep(_CHECK_SECONDS)
        if time.process_time() - spent >= _WORK_SECONDS:
            await asyncio.to_thread(return_free_memory)
            spent = time.process_time()

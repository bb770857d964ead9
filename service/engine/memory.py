"""Memory of unloaded models: glibc keeps freed memory for itself unless it is asked to return it."""

from __future__ import annotations

import ctypes


def return_free_memory() -> None:
    """Return freed memory to the operating system, if the C library can (`malloc_trim` of glibc). Blocks for ms."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

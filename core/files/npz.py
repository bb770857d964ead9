"""Errors of NumPy's reader on a damaged .npz file."""

from __future__ import annotations

import struct
import zipfile
import zlib
from tokenize import TokenError

NPZ_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,
    SyntaxError,
    TokenError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""Exceptions of `numpy.load`, or of access to an array, if the file cannot be read, is damaged or lacks the array."""

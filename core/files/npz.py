"""Errors of NumPy's reader on a damaged .npz file."""

from __future__ import annotations

import struct
import zipfile
import zlib
from tokenize import TokenError

NPZ_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    LookupError,
    EOFError,
    RuntimeError,
    SyntaxError,
    TokenError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""Exceptions of `numpy.load`, or of access to an array, or to a value in it, if the file is unreadable or damaged."""

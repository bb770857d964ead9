"""Messages of libtiff, which it prints to standard error for damaged files, between the lines of a log."""

from __future__ import annotations

import ctypes

from PIL import _imaging

_HANDLERS = ("TIFFSetErrorHandler", "TIFFSetWarningHandler")


def silence_libtiff() -> None:
    """Stop libtiff from printing messages in this process; Pillow still raises its errors.

    No effect if Pillow was built without libtiff, or hides its functions.
    """
    library = ctypes.CDLL(_imaging.__file__)  # also finds functions of the libraries that it loads
    for name in _HANDLERS:
        if set_handler := getattr(library, name, None):
            set_handler.restype = ctypes.c_void_p
            set_handler(ctypes.c_void_p(None))

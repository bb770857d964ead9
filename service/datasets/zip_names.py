"""File names in zip archives, most of which come without the UTF-8 flag although their bytes are UTF-8."""

from __future__ import annotations

import struct
import zipfile
import zlib
from contextlib import suppress

CENTRAL_HEADER = b"PK\x01\x02"
_HEADER_BYTES = 46
_FLAGS_OFFSET = 8
_UTF8_FLAG, _UNUSED_FLAG = 0x0800, 0x0400
_UNICODE_PATH = 0x7075
"""Extra field "Info-ZIP Unicode Path" (APPNOTE.TXT 4.6.9): version 1, CRC-32 of the stored name, name in UTF-8."""


def with_hidden_utf8_flags(directory: bytes) -> bytes:
    """A central directory whose UTF-8 flags are moved to an unused bit.

    `zipfile` then decodes all names as cp437, which never fails and keeps the bytes for `decode_name`. With the flag,
    one name that is not UTF-8 makes it reject the whole archive.
    """
    changed, position = bytearray(directory), 0
    while directory.startswith(CENTRAL_HEADER, position) and position + _HEADER_BYTES <= len(directory):
        (flags,) = struct.unpack_from("<H", directory, position + _FLAGS_OFFSET)
        hidden = flags & ~(_UTF8_FLAG | _UNUSED_FLAG) | (_UNUSED_FLAG if flags & _UTF8_FLAG else 0)
        struct.pack_into("<H", changed, position + _FLAGS_OFFSET, hidden)
        position += _HEADER_BYTES + sum(struct.unpack_from("<HHH", directory, position + 28))
    return bytes(changed)


def decode_name(entry: zipfile.ZipInfo) -> None:
    """Set the name of an entry that `zipfile` decoded as cp437.

    The encoding is the first that fits: the extra field with the name in UTF-8 (Info-ZIP), UTF-8 (macOS, Linux, and
    every archive with the UTF-8 flag), cp437 (DOS). The name ends at a null character.
    """
    stored = entry.orig_filename.encode("cp437")
    name = entry.orig_filename
    for content in (stored, _unicode_path(entry.extra, stored)):
        with suppress(UnicodeDecodeError):
            name = name if content is None else content.decode("utf-8")
    entry.filename = name.partition("\0")[0]
    if entry.flag_bits & _UNUSED_FLAG:
        # The local header has the flag too, and `zipfile` compares its name with this one.
        entry.orig_filename = stored.decode("utf-8", "replace")


def _unicode_path(extra: bytes, stored: bytes) -> bytes | None:
    """Content of the extra field 0x7075; None without one, or if it belongs to another name."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        field = extra[position + 4 : position + 4 + length]
        if kind == _UNICODE_PATH and len(field) > 5 and field[:5] == struct.pack("<BI", 1, zlib.crc32(stored)):
            return field[5:]
        position += 4 + length
    return None

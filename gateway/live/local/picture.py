"""What can be said of a picture without looking at it: its format and its size.

Enough of JPEG (ITU-T T.81 B.2.2), PNG and WebP (RFC 9649) is read to find width and
height, and not a byte more.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

# Start-of-frame markers; C4, C8 and CC are other segments in the same range.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Picture:
    """A still: ``format`` is ``JPEG``, ``PNG`` or ``WebP``; sizes in pixels and bytes."""

    format: str
    width: int
    height: int
    size_bytes: int


def look(data: bytes) -> Picture | None:
    """The picture in ``data``, ``None`` when it is none of the three formats."""
    try:
        if data[:2] == b"\xff\xd8":
            name, size = "JPEG", _jpeg(data)
        elif data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
            name, size = "PNG", struct.unpack_from(">II", data, 16)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            name, size = "WebP", _webp(data)
        else:
            return None
    except struct.error:  # it ends too soon
        return None
    return None if size is None else Picture(name, size[0], size[1], len(data))


def _jpeg(data: bytes) -> tuple[int, int] | None:
    position = 2
    while True:
        prefix, marker, length = struct.unpack_from(">BBH", data, position)
        if prefix != 0xFF:
            return None
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without a segment
            position += 2
        else:
            position += 2 + length


def _webp(data: bytes) -> tuple[int, int] | None:
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
            return (low_w | high_w << 16) + 1, (low_h | high_h << 16) + 1
        case _:
            return None

"""WebSocket frames as cheaply as Python can (RFC 6455 §5.2).

The far end takes thousands a second and looks into few of them: a frame is cut out of the
stream and left masked until somebody wants to read it.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Frame(NamedTuple):
    opcode: int
    mask: bytes  # empty: the payload is not masked
    payload: bytes

    def data(self) -> bytes:
        """The payload, unmasked."""
        if not self.mask:
            return self.payload
        size = len(self.payload)
        key = np.frombuffer(self.mask * (size // 4 + 1), np.uint8)[:size]
        return (np.frombuffer(self.payload, np.uint8) ^ key).tobytes()


class FrameReader:
    """Cuts a stream of bytes into frames; messages in several frames are not put together."""

    def __init__(self) -> None:
        self._rest = b""

    def push(self, data: bytes) -> list[Frame]:
        """The frames that are complete now."""
        if self._rest:
            data = self._rest + data
        frames = []
        at, end = 0, len(data)
        while end - at >= 2:
            size, begin = data[at + 1] & 0x7F, at + 2
            if size == 126:
                size, begin = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, begin = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            is_masked = data[at + 1] & 0x80
            body = begin + 4 if is_masked else begin
            if end < body + size:
                break
            frames.append(Frame(data[at] & 0x0F, data[begin:body], data[body : body + size]))
            at = body + size
        self._rest = data[at:]
        return frames


def write(opcode: int, payload: bytes) -> bytes:
    """One whole frame, not masked: a server's."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload

"""One WebSocket frame from bytes, for what is sent fifty times a second in every call."""

from __future__ import annotations

import os
from struct import Struct

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiled part for this platform
    from websockets.utils import apply_mask

_FIN_TEXT = 0x81
_MASKED = 0x80
_MEDIUM = Struct("!BBH")
_LONG = Struct("!BBQ")
_KEYS = 1024  # bytes of randomness fetched at once

_keys, _next_key = b"", 0


def client_frame(text: bytes) -> bytes:
    """A whole text message as a client sends it: one masked frame (RFC 6455 §5.2)."""
    size = len(text)
    if size < 126:
        head = bytes((_FIN_TEXT, _MASKED | size))
    elif size < 65_536:
        head = _MEDIUM.pack(_FIN_TEXT, _MASKED | 126, size)
    else:
        head = _LONG.pack(_FIN_TEXT, _MASKED | 127, size)
    key = _masking_key()
    return head + key + apply_mask(text, key)


def _masking_key() -> bytes:
    """Four unpredictable bytes (RFC 6455 §5.3), fetched many at a time."""
    global _keys, _next_key
    if _next_key >= len(_keys):
        _keys, _next_key = os.urandom(_KEYS), 0
    key = _keys[_next_key : _next_key + 4]
    _next_key += 4
    return key

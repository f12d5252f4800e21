"""Frames that are one chunk of the model's audio and nothing else.

Nearly all that the service sends is of this form, and large.  Looking for its
two ends finds the base64 between them without reading the JSON around it; any
other frame, and any doubt, is left to ``decoder``, whose answer is the same.
"""

from __future__ import annotations

import binascii
import re

from gateway.live.messages import AudioChunk

_RATES_HZ = range(8_000, 192_001)


def _tokens(text: str) -> bytes:
    """A pattern of the tokens of ``text``, with any of JSON's white space between them."""
    return rb"[ \t\r\n]*".join(text.encode().split())


_HEAD = re.compile(
    _tokens(
        r'\{ "serverContent" : \{ "modelTurn" : \{ (?:"role" : "model" , )? "parts" : \['
        r' \{ "inlineData" : \{ "mimeType" : "audio/pcm;rate=([0-9]{4,6})" , "data" : "'
    )
)
_TAIL = re.compile(_tokens(r'" \} \} \] (?:, "role" : "model" )? \} \} \}') + rb"[ \t\r\n]*")


def audio_alone(frame: bytes) -> AudioChunk | None:
    """The chunk that is all of ``frame``; ``None`` when it may be anything else."""
    head = _HEAD.match(frame)
    if head is None:
        return None
    begin = head.end()
    end = frame.find(b'"', begin)
    if end <= begin or _TAIL.fullmatch(frame, end) is None:
        return None
    rate_hz = int(head[1])
    if rate_hz not in _RATES_HZ:
        return None
    try:
        data = binascii.a2b_base64(frame[begin:end], strict_mode=True)
    except binascii.Error:
        return None
    pcm = data if len(data) % 2 == 0 else data[:-1]
    return AudioChunk(pcm, rate_hz) if pcm else None

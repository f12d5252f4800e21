"""G.711 by tables: one byte is one sample of 8 kHz, μ-law (PCMU) or A-law (PCMA).

The codes stand on a logarithmic scale.  Decoding is a look-up; encoding takes the code
whose sample is nearest, worked out once for all 65,536 samples.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

Law = Literal["PCMU", "PCMA"]

RATE_HZ = 8_000


def decode(payload: bytes, law: Law) -> bytes:
    """Codes to mono s16le at 8 kHz."""
    return _samples(law)[np.frombuffer(payload, np.uint8)].tobytes()


def encode(pcm: bytes, law: Law) -> bytes:
    """Mono s16le at 8 kHz to codes."""
    return _codes(law)[np.frombuffer(pcm, np.uint16)].tobytes()


@lru_cache
def _samples(law: Law) -> npt.NDArray[np.int16]:
    """The sample of each of the 256 codes."""
    code = np.arange(256)
    if law == "PCMU":  # all bits are inverted, the bias of 33 (of 14 bits) is taken off
        code = ~code & 0xFF
        segment, step = code >> 4 & 7, code & 15
        size = (((step << 3) + 132) << segment) - 132
        return np.where(code & 0x80, -size, size).astype(np.int16)
    code = code ^ 0x55  # every other bit is inverted
    segment, step = code >> 4 & 7, code & 15
    size = np.where(segment, ((step << 4) + 264) << np.maximum(segment, 1) - 1, (step << 4) + 8)
    return np.where(code & 0x80, size, -size).astype(np.int16)


@lru_cache
def _codes(law: Law) -> npt.NDArray[np.uint8]:
    """The code of each sample; a negative one is found as its unsigned pattern."""
    samples = _samples(law).astype(np.int64)
    order = np.argsort(samples, kind="stable")
    ladder = samples[order]
    borders = (ladder[1:] + ladder[:-1]) / 2
    every = np.arange(65_536, dtype=np.uint16).view(np.int16)
    return order[np.searchsorted(borders, every)].astype(np.uint8)

"""Speech-like sound without a synthesizer: a buzz per syllable, its length from the text.

Nobody could take it for a voice, but a level meter, a voice detector and a listener who
wants to know whether the other side is talking can.
"""

from __future__ import annotations

import unicodedata
import zlib
from functools import lru_cache

import numpy as np

_SYLLABLE_MS = 180
_GAP_MS = 60
_PAUSE_MS = 250
_SENTENCE_ENDS = ".!?…。！？।؟,;:、，"


def tones(text: str, voice: str, rate_hz: int) -> bytes:
    """Mono s16le PCM at ``rate_hz``; pitch by ``voice``, melody and length by ``text``."""
    base_hz = 90 + zlib.crc32(voice.encode()) % 140
    parts = [np.zeros(rate_hz // 100)]
    for number, mark in enumerate(_syllables(text)):
        if mark:
            parts.append(np.zeros(rate_hz * _PAUSE_MS // 1000))
        else:
            step = zlib.crc32(f"{number} {text}".encode(errors="replace")) % 5 - 2
            parts.append(_buzz(base_hz * 2 ** (step / 12), rate_hz))
            parts.append(np.zeros(rate_hz * _GAP_MS // 1000))
    return (np.concatenate(parts) * 8000).astype(np.int16).tobytes()


def _syllables(text: str) -> list[bool]:
    """One entry per syllable (``False``) or pause (``True``).

    Three letters of an alphabet make a syllable, and so does each sign of a script
    that writes syllables or words.
    """
    found: list[bool] = []
    letters = 0
    for sign in text + " ":
        if sign in _SENTENCE_ENDS:
            found.append(True)
        wide = unicodedata.east_asian_width(sign) == "W"
        letters += 3 if wide else sign.isalnum()
        if letters >= 3 or (letters and not sign.isalnum()):
            found.append(False)
            letters = 0
    return found


@lru_cache(maxsize=64)
def _buzz(pitch_hz: float, rate_hz: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A glottal-like buzz through two formants, under a soft envelope."""
    time_s = np.arange(rate_hz * _SYLLABLE_MS // 1000) / rate_hz
    sound = np.zeros_like(time_s)
    for harmonic in range(1, int(3000 / pitch_hz)):
        at_hz = harmonic * pitch_hz
        gain = 1 / (1 + ((at_hz - 600) / 200) ** 2) + 0.5 / (1 + ((at_hz - 1400) / 250) ** 2)
        sound += gain * np.sin(2 * np.pi * at_hz * time_s + harmonic**2)
    envelope = np.sin(np.pi * np.arange(time_s.size) / time_s.size) ** 0.5
    buzz: np.ndarray[tuple[int], np.dtype[np.float64]] = envelope * sound / np.abs(sound).max()
    return buzz

"""Audio checked as audio: level, tones, alignment, intelligibility."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Samples = np.ndarray[Any, np.dtype[Any]]


def samples_of(pcm: bytes) -> Samples:
    """s16le to float samples."""
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def tone(hz: float, rate_hz: int, seconds: float, amplitude: float = 8000.0) -> bytes:
    at = np.arange(int(rate_hz * seconds)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * hz * at)).astype("<i2").tobytes()


def level_dbfs(samples: Samples) -> float:
    if not len(samples):
        return -120.0
    rms = float(np.sqrt(np.mean(np.square(samples.astype(np.float64)))))
    return 20 * math.log10(rms / 32768 + 1e-6)


def frequency_hz(samples: Samples, rate_hz: int) -> float:
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


def frame_levels(samples: Samples, rate_hz: int, frame_ms: int = 10) -> list[float]:
    size = rate_hz * frame_ms // 1000
    return [level_dbfs(samples[at : at + size]) for at in range(0, len(samples) - size + 1, size)]


def voiced_span(samples: Samples, rate_hz: int, floor_dbfs: float = -50.0) -> tuple[float, float]:
    """Seconds of the first and last 10 ms above the floor."""
    levels = frame_levels(samples, rate_hz)
    loud = [index for index, level in enumerate(levels) if level > floor_dbfs]
    if not loud:
        return (0.0, 0.0)
    return (loud[0] * 0.01, (loud[-1] + 1) * 0.01)


def resample(samples: Samples, in_hz: int, out_hz: int) -> Samples:
    from scipy.signal import resample_poly

    divisor = math.gcd(in_hz, out_hz)
    return np.asarray(resample_poly(samples, out_hz // divisor, in_hz // divisor))


def align(reference: Samples, heard: Samples) -> tuple[int, Samples]:
    """Where ``reference`` begins in ``heard``, and that part of ``heard``, as long as it."""
    size = 1 << (len(reference) + len(heard)).bit_length()
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(reference, size))
    correlation = np.fft.irfft(product, size)[: len(heard)]
    at = int(np.argmax(correlation))
    part = heard[at : at + len(reference)]
    return at, np.pad(part, (0, len(reference) - len(part)))


def follow(reference: Samples, heard: Samples, rate_hz: int, piece_ms: int = 200) -> Samples:
    """``heard`` with the time-stretching of a jitter buffer taken out, as long as ``reference``.

    A receiver plays faster or slower to adapt to the network, which nobody hears
    and every sample-by-sample measure does.  Each piece is looked for within
    150 ms of where it should be.
    """
    begin, whole = align(reference, heard)
    size, reach = rate_hz * piece_ms // 1000, rate_hz * 150 // 1000
    padded = np.pad(heard, (reach, reach + len(reference)))
    pieces = []
    for at in range(0, len(reference), size):
        piece = reference[at : at + size]
        around = padded[begin + at : begin + at + len(piece) + 2 * reach]
        if level_dbfs(piece) < -50:
            pieces.append(whole[at : at + size])
        else:
            pieces.append(align(piece, around)[1])
    return np.concatenate(pieces)[: len(reference)]


def intelligibility(reference: Samples, heard: Samples, rate_hz: int) -> float:
    """STOI of what was heard against ``reference``, jitter buffer undone: 1 is perfect."""
    from pystoi import stoi

    reference = resample(reference, rate_hz, 16000)
    heard = follow(reference, resample(heard, rate_hz, 16000), 16000)
    return float(stoi(reference, heard, 16000))

"""The telephone's codecs: G.711 and G.722, 64 kbit/s, one byte for each tick of 8 kHz.

Both are plain waveforms with no packets in them: any bytes decode, and what is lost is
filled from the frame before.  RTP counts G.722 at 8 kHz although it samples at 16 kHz
(RFC 3551 §4.5.2).
"""

from __future__ import annotations

from collections.abc import Callable

import av
import numpy as np

from gateway.media import g711
from gateway.media.resample import Resampler

CLOCK_HZ = 8_000
IN_HZ = 24_000
OUT_HZ = 16_000
FADE_SAMPLES = 960  # 60 ms of 16 kHz
MAX_PAYLOAD_BYTES = 1_600  # 200 ms, which RFC 3551 §4.2 has a receiver take
_FRAME_BYTES = IN_HZ // 50 * 2
_BYTES_PER_TICK = OUT_HZ // CLOCK_HZ * 2

Convert = Callable[[bytes], bytes]


class TelephoneDecoder:
    """Payloads to mono s16le at 16 kHz, four bytes for each of theirs.

    Raises :exc:`ValueError` for an empty payload and for more than 200 ms.
    """

    def __init__(self, convert: Convert) -> None:
        self._convert = convert
        self._last = b""
        self._concealed_samples = 0

    def decode(self, payload: bytes) -> bytes:
        """The samples of one payload."""
        if not 0 < len(payload) <= MAX_PAYLOAD_BYTES:
            raise ValueError(f"{len(payload)} bytes are no payload of this codec")
        self._last = self._convert(payload)
        self._concealed_samples = 0
        return self._last

    def ticks(self, payload: bytes) -> int:
        """How long a payload is."""
        return len(payload)

    def conceal(self, ticks: int) -> bytes:
        """The last frame back and forth, which leaves no jump at its ends, fading to silence."""
        samples = ticks * _BYTES_PER_TICK // 2
        begin = self._concealed_samples
        self._concealed_samples += samples
        if not self._last or begin >= FADE_SAMPLES:
            return bytes(samples * 2)
        last = np.frombuffer(self._last, np.int16)
        at = np.arange(begin, begin + samples)
        gain = np.maximum(1 - at / FADE_SAMPLES, 0)
        back_and_forth = np.concatenate((last[::-1], last))
        return (back_and_forth[at % len(back_and_forth)] * gain).astype(np.int16).tobytes()

    def redundancy(self, payload: bytes) -> int:
        """These codecs carry none."""
        return 0

    def recover(self, payload: bytes, ticks: int) -> bytes:
        """Nothing to recover from: concealment."""
        return self.conceal(ticks)


class TelephoneEncoder:
    """20 ms of 24 kHz mono s16le to 160 bytes, about 4 ms late by the resampling."""

    def __init__(self, out_hz: int, convert: Convert) -> None:
        self._resample = _steady(IN_HZ, out_hz)
        self._convert = convert

    def encode(self, pcm: bytes) -> bytes:
        """One payload.  Raises :exc:`ValueError` for another length than 20 ms."""
        if len(pcm) != _FRAME_BYTES:
            raise ValueError(f"a frame has {_FRAME_BYTES} bytes, not {len(pcm)}")
        return self._convert(self._resample.push(pcm))


def g711_decoder(law: g711.Law) -> TelephoneDecoder:
    """A decoder of PCMU or PCMA."""
    resample = _steady(g711.RATE_HZ, OUT_HZ)
    return TelephoneDecoder(lambda payload: resample.push(g711.decode(payload, law)))


def g711_encoder(law: g711.Law) -> TelephoneEncoder:
    """An encoder of PCMU or PCMA."""
    return TelephoneEncoder(g711.RATE_HZ, lambda pcm: g711.encode(pcm, law))


def g722_decoder() -> TelephoneDecoder:
    """A decoder of G.722 at 64 kbit/s."""
    codec = _g722("r")

    def convert(payload: bytes) -> bytes:
        frames = codec.decode(av.Packet(payload))
        return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)

    return TelephoneDecoder(convert)


def g722_encoder() -> TelephoneEncoder:
    """An encoder of G.722 at 64 kbit/s."""
    codec = _g722("w")
    samples_sent = 0

    def convert(pcm: bytes) -> bytes:
        nonlocal samples_sent
        samples = np.frombuffer(pcm, np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts = OUT_HZ, samples_sent
        samples_sent += frame.samples
        return b"".join(bytes(packet) for packet in codec.encode(frame))

    return TelephoneEncoder(OUT_HZ, convert)


def _g722(mode: str) -> av.AudioCodecContext:
    codec = av.CodecContext.create("g722", mode)  # type: ignore[call-overload]
    assert isinstance(codec, av.AudioCodecContext), "G.722 codes audio"
    codec.sample_rate, codec.layout, codec.format = OUT_HZ, "mono", "s16"
    return codec


def _steady(in_hz: int, out_hz: int) -> Resampler:
    """A resampler whose filter is full: from now on each frame in makes one frame out."""
    resampler = Resampler(in_hz, out_hz)
    resampler.push(bytes(in_hz // 50 * 2))
    return resampler

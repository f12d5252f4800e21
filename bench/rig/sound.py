"""What is said in a measurement: something like a voice, whose first sample is loud.

All PCM is mono s16le.  Between two sounds a caller has a room's faint noise and a reply has
nothing: loud and silent can be told apart without doubt after any codec.
"""

from __future__ import annotations

import fractions
from functools import cache

import av
import numpy as np
import numpy.typing as npt

FRAME_S = 0.02
LOUD = 1500  # a peak above this is sound, one below is silence

Pcm = npt.NDArray[np.int16]


def voice(seconds: float, rate_hz: int, *, seed: int = 1) -> Pcm:
    """Harmonics of a wandering pitch under wandering formants, and some breath."""
    noise = np.random.default_rng(seed)
    at_s = np.arange(round(seconds * rate_hz)) / rate_hz
    pitch_hz = 130 + 25 * np.sin(2 * np.pi * 1.3 * at_s) + 10 * np.sin(2 * np.pi * 3.1 * at_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    sound = np.zeros_like(at_s)
    for number in range(1, 28):
        hz = number * pitch_hz
        formants = sum(
            np.exp(-(((hz - middle * (1 + 0.2 * np.sin(2 * np.pi * pace * at_s))) / width) ** 2))
            for middle, width, pace in ((500, 200, 2.1), (1500, 350, 1.7), (2600, 500, 2.9))
        )
        sound += (formants + 0.05) * np.cos(number * phase) / number**0.5
    sound += 0.08 * noise.standard_normal(at_s.size)
    loudness = 0.75 + 0.25 * np.sin(2 * np.pi * 4 * at_s)
    sound *= 12_000 * loudness / np.abs(sound).max()
    return sound.astype(np.int16)


@cache
def caller_packets(
    rate_hz: int = 48_000, quiet_frames: int = 25, loud_frames: int = 25
) -> tuple[bytes, ...]:
    """A second of a caller as Opus packets of 20 ms, to be sent over and over.

    A browser sends no higher sound than the other side's ``maxplaybackrate`` says: that is
    ``rate_hz``, one of Opus's own.

    The packet with number ``quiet_frames`` is the first loud one.  Coded as browsers do:
    mono, 32 kbit/s, voice, with in-band FEC.
    """
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate = rate_hz
    encoder.layout = "mono"
    encoder.format = av.AudioFormat("s16")
    encoder.bit_rate = 32_000
    encoder.time_base = fractions.Fraction(1, rate_hz)
    encoder.options = {"application": "voip", "fec": "1", "packet_loss": "5"}
    room = np.random.default_rng(2).normal(0, 20, quiet_frames * rate_hz // 50)
    quiet = room.astype(np.int16)  # digital silence would be coded in three bytes
    second = np.concatenate([quiet, voice(loud_frames * FRAME_S, rate_hz)])
    packets: list[bytes] = []
    for number, pcm in enumerate(np.tile(second, 3).reshape(-1, 1, rate_hz // 50)):
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = rate_hz
        frame.pts = number * rate_hz // 50
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    length = quiet_frames + loud_frames
    return tuple(packets[length : 2 * length])


class OpusEar:
    """Decodes one stream's packets to 48 kHz, and says how loud each was."""

    def __init__(self) -> None:
        self._decoder = av.CodecContext.create("opus", "r")

    def peaks(self, payload: bytes) -> tuple[int, int]:
        """The peak of the whole packet, and of its last half."""
        planes = []
        for frame in self._decoder.decode(av.Packet(payload)):
            planes.append(frame.to_ndarray().reshape(-1, frame.samples)[0])
        if not planes:
            return 0, 0
        samples = np.abs(np.concatenate(planes).astype(np.float64))
        if planes[0].dtype.kind == "f":
            samples *= 32_768
        return int(samples.max()), int(samples[samples.size // 2 :].max())

"""Spoken test material: sentences as PCM, made by the local server's own voice."""

from __future__ import annotations

import subprocess
import wave
from functools import lru_cache
from os import PathLike

import av
import numpy as np

from gateway.live.local.voice import espeak_command, finish
from gateway.live.local.voices import Speaker, espeak_language, speaker
from gateway.media.resample import Resampler


def say(text: str, *, voice: str = "Puck", language: str = "en-US", rate_hz: int = 16_000) -> bytes:
    """``text`` spoken, as mono s16le PCM at ``rate_hz``: about 60 ms the first time.

    The speech begins within 20 ms and ends with 200 ms of silence.
    """
    return say_as(text, speaker(voice), espeak_language(language), rate_hz)


@lru_cache(maxsize=256)
def say_as(text: str, who: Speaker, language: str, rate_hz: int = 16_000) -> bytes:
    """``text`` spoken by any espeak-ng variant in any espeak-ng language."""
    command = espeak_command(who, language)
    assert command is not None, "the tests need espeakng-loader"
    made = subprocess.run(
        command, input=text.encode(), stdout=subprocess.PIPE, check=True, timeout=30
    )
    return finish(made.stdout, out_hz=rate_hz)


def through_opus(pcm: bytes, rate_hz: int, bit_rate: int = 24_000) -> bytes:
    """What is left of ``pcm`` after a call: 48 kHz Opus in 20 ms packets, and back."""
    up, down = Resampler(rate_hz, 48_000), Resampler(48_000, rate_hz)
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext), "libopus codes audio"
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "s16"
    encoder.bit_rate = bit_rate
    encoder.options = {"application": "voip", "frame_duration": "20"}
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext), "libopus codes audio"
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    samples = np.frombuffer(up.push(pcm) + up.flush(), dtype=np.int16)
    packets = []
    for at in range(0, samples.size - 959, 960):
        frame = av.AudioFrame.from_ndarray(samples[at : at + 960].reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts = 48_000, at
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoded = b"".join(
        frame.to_ndarray().tobytes() for packet in packets for frame in decoder.decode(packet)
    )
    return down.push(decoded) + down.flush()


def write_wav(path: str | PathLike[str], pcm: bytes, rate_hz: int) -> None:
    """Write mono s16le PCM as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm)

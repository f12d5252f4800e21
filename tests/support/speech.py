"""Spoken test material: sentences as PCM, made by the local server's own voice."""

from __future__ import annotations

import subprocess
import wave
from functools import lru_cache
from os import PathLike

from gateway.live.local.voice import espeak_command, finish


@lru_cache(maxsize=256)
def say(text: str, *, voice: str = "Puck", language: str = "en-US", rate_hz: int = 16_000) -> bytes:
    """``text`` spoken, as mono s16le PCM at ``rate_hz``: about 60 ms the first time.

    The speech begins within 20 ms and ends with 200 ms of silence.
    """
    command = espeak_command(voice, language)
    assert command is not None, "the tests need espeakng-loader"
    made = subprocess.run(
        command, input=text.encode(), stdout=subprocess.PIPE, check=True, timeout=30
    )
    return finish(made.stdout, out_hz=rate_hz)


def write_wav(path: str | PathLike[str], pcm: bytes, rate_hz: int) -> None:
    """Write mono s16le PCM as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm)

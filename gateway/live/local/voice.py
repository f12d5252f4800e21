"""The local model's voice: a sentence becomes 24 kHz PCM, the same bytes every time.

Each sentence is spoken by a fresh ``espeak.py`` process (about 50 ms), because espeak-ng
remembers what it said before.  Two threads wait for the processes and do the resampling,
so the event loop only ever awaits; they are also the bound: two processes at once.
Where espeak-ng is not installed or fails, tones of the right length take its place.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import subprocess
import sys
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np

from gateway.live.local import espeak
from gateway.live.local.tones import tones
from gateway.live.local.voices import (
    DEFAULT_LANGUAGE,
    DEFAULT_VOICE,
    Speaker,
    espeak_language,
    speaker,
)
from gateway.media.resample import Resampler

logger = logging.getLogger(__name__)

RATE_HZ = 24_000
PAUSE_MS = 200
LONGEST = 1000  # characters, a minute or more: sentences, not books

_LEVEL = 10 ** (-20 / 20) * 32_768  # of the speaking parts, root mean square
_PEAK = 10 ** (-1.5 / 20) * 32_768
_FRAME_SAMPLES = espeak.RATE_HZ // 50


class Voice:
    """Speaks sentences.  ``start``, any number of ``speak`` at once, ``aclose``.

    ``processes`` bounds the espeak-ng processes alive at once, ``timeout_s`` the life of
    each, ``cache_bytes`` the PCM of recent sentences that is kept.
    """

    def __init__(
        self, *, processes: int = 2, timeout_s: float = 10.0, cache_bytes: int = 8_000_000
    ) -> None:
        self._timeout_s = timeout_s
        self._cache_bytes = cache_bytes
        self._cached_bytes = 0
        self._cache: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="voice")
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False
        self._warned = False

    async def start(self) -> None:
        """Say one word to find out, and to have every file in memory."""
        await self.speak("ready")

    async def speak(
        self, text: str, *, voice: str = DEFAULT_VOICE, language: str = DEFAULT_LANGUAGE
    ) -> bytes:
        """``text`` as 24 kHz mono s16le PCM that ends with a pause of 200 ms.

        Empty when there is nothing to say; of a text above :data:`LONGEST` characters the
        beginning is said.  Raises :exc:`ValueError` for an unknown voice and
        :exc:`RuntimeError` when the voice is closed.
        """
        speaker(voice)
        text = text[:LONGEST].strip()
        key = text, voice, language
        if (pcm := self._cache.get(key)) is not None:
            self._cache.move_to_end(key)
            return pcm
        if self._closed:
            raise RuntimeError("the voice was closed")
        loop = asyncio.get_running_loop()
        pcm = await loop.run_in_executor(self._threads, self._make, text, voice, language)
        self._keep(key, pcm)
        return pcm

    async def aclose(self) -> None:
        """Kill what is still speaking and wait until it is gone."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.kill()
        await asyncio.to_thread(self._threads.shutdown)

    def _keep(self, key: tuple[str, str, str], pcm: bytes) -> None:
        self._cached_bytes += len(pcm) - len(self._cache.pop(key, b""))
        self._cache[key] = pcm
        while self._cached_bytes > self._cache_bytes:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= len(oldest)

    def _make(self, text: str, voice: str, language: str) -> bytes:
        if not text:
            return b""
        try:
            return finish(self._espeak(text, voice, language))
        except (OSError, subprocess.SubprocessError) as error:
            if self._closed:
                raise RuntimeError("the voice was closed") from None
            self._warn(error)
            return finish(tones(text, voice, espeak.RATE_HZ))

    def _espeak(self, text: str, voice: str, language: str) -> bytes:
        command = espeak_command(speaker(voice), espeak_language(language))
        if command is None:
            raise OSError("espeakng-loader is not installed")
        with self._lock:
            if self._closed:
                raise OSError("the voice was closed")
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._running.add(process)
        with process:
            try:
                pcm, _ = process.communicate(text.encode(errors="replace"), timeout=self._timeout_s)
            finally:
                process.kill()
                with self._lock:
                    self._running.discard(process)
        if process.returncode:
            raise OSError(f"espeak-ng ended with {process.returncode}")
        return pcm

    def _warn(self, error: Exception) -> None:
        with self._lock:
            warned, self._warned = self._warned, True
        if not warned:
            # The text of a TimeoutExpired would hold the whole command.
            what = type(error).__name__ if isinstance(error, subprocess.SubprocessError) else error
            logger.warning("no espeak-ng, speaking in tones: %s", what)


def espeak_command(who: Speaker, language: str) -> list[str] | None:
    """The command line that speaks standard input, ``None`` without espeak-ng.

    ``language`` is one of espeak-ng's own.
    """
    paths = _espeak_paths()
    if paths is None or not sys.executable:
        return None
    return [
        sys.executable,
        *("-I", "-S", espeak.__file__),
        *paths,
        f"{language}+{who.variant}",
        *(str(who.rate), str(who.pitch), str(who.range_)),
    ]


@lru_cache(maxsize=1)
def _espeak_paths() -> tuple[str, str] | None:
    if importlib.util.find_spec("espeakng_loader") is None:
        return None
    import espeakng_loader

    library, data = espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
    return (library, data) if Path(library).exists() else None


def finish(pcm: bytes, *, out_hz: int = RATE_HZ) -> bytes:
    """22050 Hz PCM at an even level, at ``out_hz``, with a pause of 200 ms behind it."""
    samples = np.frombuffer(pcm, dtype=np.int16)
    if not samples.size:
        return b""
    level = _speaking_level(samples)
    peak = float(np.abs(samples.astype(np.int32)).max())
    if level:
        gain = min(_LEVEL / level, _PEAK / peak)
        samples = np.rint(samples * gain).astype(np.int16)
    resampler = Resampler(espeak.RATE_HZ, out_hz)
    pause = bytes(out_hz * PAUSE_MS // 1000 * 2)
    return resampler.push(samples.tobytes()) + resampler.flush() + pause


def _speaking_level(samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> float:
    """Root mean square of the 20 ms frames within 30 dB of the loudest."""
    padded = np.pad(samples.astype(np.float64), (0, -samples.size % _FRAME_SAMPLES))
    power = (padded.reshape(-1, _FRAME_SAMPLES) ** 2).mean(axis=1)
    return float(np.sqrt(power[power >= power.max() / 1000].mean()))

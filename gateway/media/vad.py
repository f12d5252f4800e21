"""Voice activity: when somebody begins and stops speaking, counted in received audio.

Each 20 ms are judged by WebRTC's detector and by their energy, which has to stand out from
the quietest moment of the last two seconds: speech has gaps, and a fan, a tone or a hum has
none.  Judgements become events when enough speech, or enough silence, has come together.
No clock: audio that does not arrive does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import webrtcvad

Sensitivity = Literal["high", "low"]

FRAME_MS = 20

_BLOCK_FRAMES = 25  # the quietest moment is remembered for four blocks
_BLOCKS = 4


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody speaks; ``at_ms`` is where the first voiced frame began."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Silence again; ``at_ms`` is where the last voiced frame ended."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class _Judge:
    """What a frame must be to count as voiced.

    ``mode`` is WebRTC's, 0 takes most for speech and 3 least; ``floor`` is a mean square
    of 16-bit samples, ``above_noise`` a ratio of two.
    """

    mode: int
    floor: float
    above_noise: float


def _judge(mode: int, floor_dbfs: float, above_noise_db: float) -> _Judge:
    return _Judge(mode, _power(floor_dbfs), 10 ** (above_noise_db / 10))


def _power(dbfs: float) -> float:
    return float(10 ** (dbfs / 10) * 32_768**2)


_QUIET = _power(-65.0)  # a place that is quieter, or digital silence, counts as this
_START = {"high": _judge(2, -52.0, 6.0), "low": _judge(3, -44.0, 9.0)}
# An end comes easily where frames count as silence easily.
_END = {"high": _judge(2, -50.0, 5.0), "low": _judge(1, -52.0, 3.0)}


class VoiceActivity:
    """Give it every chunk of mono s16le PCM, of any size; take events from ``push``.

    ``at_ms`` counts audio received since the beginning, ``prefix_padding_ms`` is how much
    speech commits a start and ``silence_duration_ms`` how much silence commits an end
    (Live API ``automaticActivityDetection``).  ``start`` and ``end`` are the
    sensitivities: high begins, or ends, more readily.  Events alternate, beginning with
    a start.  Raises :exc:`ValueError` for a rate other than 8, 16, 32 or 48 kHz.
    """

    def __init__(
        self,
        rate_hz: int = 16_000,
        *,
        prefix_padding_ms: int = 60,
        silence_duration_ms: int = 500,
        start: Sensitivity = "high",
        end: Sensitivity = "high",
    ) -> None:
        if rate_hz not in (8_000, 16_000, 32_000, 48_000):
            raise ValueError(f"rate_hz must be 8000, 16000, 32000 or 48000, not {rate_hz}")
        self._rate_hz = rate_hz
        self._prefix_ms = max(prefix_padding_ms, 1)
        self._silence_ms = max(silence_duration_ms, FRAME_MS)
        self._start, self._end = _START[start], _END[end]
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        self._rest = b""
        self._samples = np.empty(self._frame_bytes // 2, np.float32)
        self._frames = 0
        self._vad = webrtcvad.Vad()
        self._is_speech = self._vad.is_speech
        self._quietest = float("inf")  # of this block
        self._blocks: list[float] = []
        self._noise = float("inf")
        self._onset_ms = self._voiced_until_ms = 0
        self._turn(speaking=False)

    @property
    def speaking(self) -> bool:
        """Between a start and its end."""
        return self._speaking

    @property
    def position_ms(self) -> int:
        """Audio judged so far; what does not fill a frame is not yet in it."""
        return self._frames * FRAME_MS

    def push(self, pcm: bytes) -> list[SpeechStarted | SpeechStopped]:
        """Judge the next samples."""
        size = self._frame_bytes
        if len(pcm) == size and not self._rest:
            event = self._hear(self._is_voiced(pcm))
            return [] if event is None else [event]
        data = self._rest + pcm if self._rest else pcm
        events = []
        for at in range(0, len(data) - size + 1, size):
            event = self._hear(self._is_voiced(data[at : at + size]))
            if event is not None:
                events.append(event)
        self._rest = data[len(data) - len(data) % size :]
        return events

    def reset(self) -> list[SpeechStarted | SpeechStopped]:
        """End speech now, if there is any; go on counting."""
        spoke = self._speaking
        self._turn(speaking=False)
        return [SpeechStopped(self._voiced_until_ms)] if spoke else []

    def _turn(self, *, speaking: bool) -> None:
        self._speaking = speaking
        self._run_ms = 0  # of speech before a start, of silence before an end
        self._now = self._end if speaking else self._start
        self._vad.set_mode(self._now.mode)

    def _hear(self, voiced: bool) -> SpeechStarted | SpeechStopped | None:
        if voiced:
            self._voiced_until_ms = self.position_ms
        if self._speaking:
            self._run_ms = 0 if voiced else self._run_ms + FRAME_MS
            if self._run_ms < self._silence_ms:
                return None
            self._turn(speaking=False)
            return SpeechStopped(self._voiced_until_ms)
        if not voiced:
            # A click is taken back, a gap inside a syllable is not.
            self._run_ms = max(self._run_ms - FRAME_MS, 0)
            return None
        if self._run_ms == 0:
            self._onset_ms = self.position_ms - FRAME_MS
        self._run_ms += FRAME_MS
        if self._run_ms < self._prefix_ms:
            return None
        self._turn(speaking=True)
        return SpeechStarted(self._onset_ms)

    def _is_voiced(self, frame: bytes) -> bool:
        samples = self._samples
        np.copyto(samples, np.frombuffer(frame, np.int16))
        power = float(samples.dot(samples)) / samples.size
        if power < self._quietest:
            self._quietest = power if power > _QUIET else _QUIET
            if self._quietest < self._noise:
                self._noise = self._quietest
        self._frames += 1
        if not self._frames % _BLOCK_FRAMES:
            self._end_block()
        # The detector has to hear every frame: it learns, too.
        speech = self._is_speech(frame, self._rate_hz)
        return speech and power > self._now.floor and power > self._noise * self._now.above_noise

    def _end_block(self) -> None:
        self._blocks = [*self._blocks[1 - _BLOCKS :], self._quietest]
        self._noise = min(self._blocks)
        self._quietest = float("inf")

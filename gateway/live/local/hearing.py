"""From what a client sends as audio to utterances: any rate, any cut, one ear.

``Ears`` wants 16 kHz in whole samples.  Here the declared rate is converted (the service
takes any) and a sample that was cut in two by a message boundary is put together again.
"""

from __future__ import annotations

from gateway.live.local.ears import Ears, EarsEvent
from gateway.live.local.settings import Detection
from gateway.live.messages import INPUT_RATE_HZ
from gateway.media.resample import Resampler

_MAX_SILENCE_MS = 60_000


class Hearing:
    """The audio side of one live session; events are those of ``Ears``."""

    def __init__(self, detection: Detection) -> None:
        self.automatic = not detection.disabled
        self._ears = Ears(
            automatic=self.automatic,
            prefix_padding_ms=detection.prefix_padding_ms,
            silence_duration_ms=min(detection.silence_duration_ms, _MAX_SILENCE_MS),
            start=detection.start,
            end=detection.end,
        )
        self._resampler: Resampler | None = None
        self._rate_hz = INPUT_RATE_HZ
        self._half = b""

    def push(self, pcm: bytes, rate_hz: int) -> list[EarsEvent]:
        """The next s16le mono samples at ``rate_hz``."""
        if rate_hz != self._rate_hz:
            self._rate_hz, self._half = rate_hz, b""
            same = rate_hz == INPUT_RATE_HZ
            self._resampler = None if same else Resampler(rate_hz, INPUT_RATE_HZ)
        pcm = self._half + pcm if self._half else pcm
        whole = len(pcm) & ~1
        pcm, self._half = pcm[:whole], pcm[whole:]
        if self._resampler is not None:
            pcm = self._resampler.push(pcm)
        return self._ears.push(pcm)

    def activity_start(self) -> list[EarsEvent]:
        """The client says that speech begins."""
        return self._ears.activity_start()

    def activity_end(self) -> list[EarsEvent]:
        """The client says that speech is over."""
        return self._ears.activity_end()

    def flush(self) -> list[EarsEvent]:
        """The client's microphone is off."""
        return self._ears.flush()

"""What the local model listens to: a stream of audio becomes utterances.

Detection is automatic, by :class:`~gateway.media.vad.VoiceActivity`, or manual, by the
client's activity messages (Live API ``automaticActivityDetection.disabled``).  The audio
of an utterance is kept from 300 ms before its onset to 200 ms after its end, at most 30 s of
it: the oldest goes first, and is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.media.vad import Sensitivity, SpeechStarted, SpeechStopped, VoiceActivity

RATE_HZ = 16_000
_BYTES_PER_MS = RATE_HZ * 2 // 1000
_POST_ROLL_MS = 200
_PIECE_BYTES = 20 * _BYTES_PER_MS  # so that an event is noticed where it happens


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    """Speech began ``at_ms`` of received audio."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """Speech ended ``at_ms`` of received audio; ``pcm`` is the utterance, 16 kHz s16le."""

    at_ms: int
    pcm: bytes


EarsEvent = UtteranceStarted | UtteranceEnded


class Ears:
    """``push`` 16 kHz mono s16le PCM, take the events it returns.

    With ``automatic=False`` only ``activity_start`` and ``activity_end`` make utterances
    and audio between them is not kept; with ``automatic=True`` those two do nothing.
    Starts and ends alternate, beginning with a start.
    """

    def __init__(
        self,
        *,
        automatic: bool = True,
        prefix_padding_ms: int = 60,
        silence_duration_ms: int = 500,
        start: Sensitivity = "high",
        end: Sensitivity = "high",
        pre_roll_ms: int = 300,
        keep_ms: int = 30_000,
    ) -> None:
        self._vad = None
        if automatic:
            self._vad = VoiceActivity(
                RATE_HZ,
                prefix_padding_ms=prefix_padding_ms,
                silence_duration_ms=silence_duration_ms,
                start=start,
                end=end,
            )
        self._pre_roll_bytes = pre_roll_ms * _BYTES_PER_MS
        # A start is noticed after prefix_padding_ms of speech, or later if it had gaps.
        self._waiting_bytes = self._pre_roll_bytes + (2 * prefix_padding_ms + 200) * _BYTES_PER_MS
        self._keep_bytes = keep_ms * _BYTES_PER_MS
        self._kept = bytearray()
        self._received_bytes = 0
        self._open = False
        self.dropped_bytes = 0

    @property
    def is_open(self) -> bool:
        """An utterance has started and not ended."""
        return self._open

    @property
    def received_ms(self) -> int:
        """Audio received so far."""
        return self._received_bytes // _BYTES_PER_MS

    def push(self, pcm: bytes) -> list[EarsEvent]:
        """Hear the next samples, however many."""
        events: list[EarsEvent] = []
        for at in range(0, len(pcm), _PIECE_BYTES):
            self._hear(pcm[at : at + _PIECE_BYTES], events)
        return events

    def activity_start(self) -> list[EarsEvent]:
        """The client says that speech begins (Live API ``activityStart``)."""
        if self._vad is not None or self._open:
            return []
        self._open = True
        return [UtteranceStarted(self.received_ms)]

    def activity_end(self) -> list[EarsEvent]:
        """The client says that speech is over (Live API ``activityEnd``)."""
        return [self._end(self.received_ms)] if self._vad is None and self._open else []

    def flush(self) -> list[EarsEvent]:
        """The microphone is off (Live API ``audioStreamEnd``): end what is open, now."""
        if self._vad is None:
            return []
        stopped = self._vad.reset()
        return [self._end(event.at_ms) for event in stopped]

    def _hear(self, pcm: bytes, events: list[EarsEvent]) -> None:
        self._received_bytes += len(pcm)
        if self._vad is None and not self._open:
            return
        self._kept += pcm
        if self._open:
            self.dropped_bytes += self._forget(self._keep_bytes)
        else:
            self._forget(self._waiting_bytes)
        for event in self._vad.push(pcm) if self._vad is not None else ():
            match event:
                case SpeechStarted(at_ms):
                    self._open = True
                    since_bytes = self._received_bytes - at_ms * _BYTES_PER_MS
                    self._forget(since_bytes + self._pre_roll_bytes)
                    events.append(UtteranceStarted(at_ms))
                case SpeechStopped(at_ms):
                    events.append(self._end(at_ms))

    def _forget(self, limit_bytes: int) -> int:
        """Keep the newest ``limit_bytes`` and return how many went."""
        excess = max(len(self._kept) - limit_bytes, 0)
        del self._kept[:excess]
        return excess

    def _end(self, at_ms: int) -> UtteranceEnded:
        """Close the utterance; what came later than 200 ms after it stays for the next."""
        self._open = False
        later_bytes = self._received_bytes - (at_ms + _POST_ROLL_MS) * _BYTES_PER_MS
        end = len(self._kept) - max(later_bytes, 0)
        pcm = bytes(self._kept[:end])
        del self._kept[:end]
        return UtteranceEnded(at_ms, pcm)

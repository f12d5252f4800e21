"""What a live session said and heard, kept for tests to look at.

Sound is kept to a number of seconds each way, messages to a number; the oldest go.
Times are those of the event loop's clock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.live.local.generation import BYTES_PER_S
from gateway.live.local.outgoing import Frame
from gateway.live.local.rules import Place
from gateway.live.local.schema import Said
from gateway.live.messages import AudioChunk, RealtimeAudio, Setup

MAX_MESSAGES = 2_000


@dataclass(frozen=True, slots=True)
class Sound:
    """PCM that was sent or received ``at`` some time."""

    at: float
    pcm: bytes


class Sounds(deque[Sound]):
    """The newest sounds, at most ``most_bytes`` of PCM."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self._left = most_bytes

    def keep(self, sound: Sound) -> None:
        self.append(sound)
        self._left -= len(sound.pcm)
        while self._left < 0:
            self._left += len(self.popleft().pcm)

    @property
    def pcm(self) -> bytes:
        return b"".join(sound.pcm for sound in self)


@dataclass(frozen=True, slots=True)
class Sent:
    at: float
    frame: Frame


@dataclass(frozen=True, slots=True)
class Received:
    at: float
    message: Said


class Record:
    """One live session as the server saw it.

    ``setup`` is the object of the setup message, ``received`` everything else but audio,
    ``sent`` every frame, ``close`` the code and reason of the close, whoever began it.
    """

    def __init__(self, place: Place, keep_s: float) -> None:
        self.place = place
        self.setup: dict[str, Any] | None = None
        self.received: deque[Received] = deque(maxlen=MAX_MESSAGES)
        self.sent: deque[Sent] = deque(maxlen=MAX_MESSAGES)
        self.close: tuple[int, str] | None = None
        self.sent_sounds = Sounds(round(keep_s * BYTES_PER_S))
        self.received_sounds = Sounds(round(keep_s * BYTES_PER_S))
        self._changed = asyncio.Event()

    @property
    def sent_audio(self) -> bytes:
        """24 kHz mono s16le; ``sent_sounds`` has it with times."""
        return self.sent_sounds.pcm

    @property
    def received_audio(self) -> bytes:
        """s16le mono at the rate the client declared; ``received_sounds`` has times."""
        return self.received_sounds.pcm

    async def until(self, holds: Callable[[Record], bool], timeout_s: float = 10.0) -> None:
        """Wait until ``holds(record)``.  Raises :exc:`TimeoutError`."""
        async with asyncio.timeout(timeout_s):
            while not holds(self):
                self._changed = asyncio.Event()
                await self._changed.wait()

    # -- for the server ----------------------------------------------------------------

    def note_received(self, message: Said, now: float) -> None:
        match message:
            case Setup(fields):
                self.setup = fields
            case RealtimeAudio(pcm):
                self.received_sounds.keep(Sound(now, pcm))
            case _:
                self.received.append(Received(now, message))
        self._changed.set()

    def note_sent(self, frame: Frame, now: float) -> None:
        sound = [event.pcm for event in frame if isinstance(event, AudioChunk)]
        for pcm in sound:
            self.sent_sounds.keep(Sound(now, pcm))
        rest = tuple(event for event in frame if not isinstance(event, AudioChunk))
        if rest or not sound:
            self.sent.append(Sent(now, rest))
        self._changed.set()

    def note_close(self, code: int, reason: str) -> None:
        self.close = code, reason
        self._changed.set()

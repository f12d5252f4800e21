"""Model to client: bursts of PCM in, an even stream of 20 ms frames out.

The model sends a reply several times faster than it is spoken.
:class:`PlayoutBuffer` keeps the difference; the peer's clock pulls one frame
every 20 ms and nobody else decides when something is heard.  Whole replies are
kept, bounded by memory and never by dropping; ``clear`` leaves nothing behind,
so that after an interruption at most the frame already pulled is heard.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from gateway.peer import DOWNLINK_FRAME_BYTES, DOWNLINK_HZ, FRAME_MS

LIMIT_BYTES = 32 * 1024 * 1024  # eleven minutes of one reply


class PlayoutEvent(enum.Enum):
    """What a pull changed."""

    STARTED = enum.auto()  # the first frame of a reply leaves now
    DRAINED = enum.auto()  # the last frame of a finished reply has left


class PlayoutBuffer:
    """What the model has said and the client has not heard.

    ``push`` PCM as it comes, ``finish`` when the reply is complete, ``clear``
    when it is interrupted.  ``pull`` is the playout clock's.  A pull that finds
    an unfinished reply without a whole frame is an underrun: silence now, and
    the reply goes on when more has come.
    """

    def __init__(self, on_event: Callable[[PlayoutEvent], None]) -> None:
        self._pcm = bytearray()
        self._read = 0  # everything before this offset has been pulled
        self._finished = True
        self._playing = False
        self._on_event = on_event
        self.heard_ms = 0  # of the reply that plays, or played last
        self.frames = 0
        self.underruns = 0
        self.overflow_bytes = 0

    @property
    def is_playing(self) -> bool:
        """Whether some of a reply has been pulled and it is not over."""
        return self._playing

    @property
    def waiting_ms(self) -> int:
        """How much of the reply is still to be played."""
        return (len(self._pcm) - self._read) * 1000 // (DOWNLINK_HZ * 2)

    def push(self, pcm: bytes) -> None:
        """Take 24 kHz mono s16le of the reply."""
        room = LIMIT_BYTES - (len(self._pcm) - self._read)
        if len(pcm) > room:
            self.overflow_bytes += len(pcm) - room
            pcm = pcm[:room]
        self._pcm += pcm
        self._finished = False

    def finish(self) -> None:
        """The reply is complete: its tail plays even if it is no whole frame."""
        if self._finished:
            return
        self._finished = True
        if not self._playing and self._read == len(self._pcm):
            self._drop()

    def clear(self) -> int:
        """Drop what was not pulled; return how many milliseconds that was."""
        dropped_ms = self.waiting_ms
        self._drop()
        self._finished = True
        self._playing = False
        return dropped_ms

    def pull(self) -> bytes | None:
        """The frame to play now, or ``None`` for silence."""
        frame = self._next_frame()
        if frame is None:
            if self._playing and not self._finished:
                self.underruns += 1
            return None
        if not self._playing:
            self._playing = True
            self.heard_ms = 0
            self._on_event(PlayoutEvent.STARTED)
        self.frames += 1
        self.heard_ms += FRAME_MS
        return frame

    def _next_frame(self) -> bytes | None:
        available = len(self._pcm) - self._read
        if available >= DOWNLINK_FRAME_BYTES:
            frame = bytes(self._pcm[self._read : self._read + DOWNLINK_FRAME_BYTES])
            self._read += DOWNLINK_FRAME_BYTES
            if self._read > 1 << 20:
                del self._pcm[: self._read]
                self._read = 0
            return frame
        if not self._finished:
            return None
        tail = bytes(self._pcm[self._read :])
        self._drop()
        if tail:
            return tail.ljust(DOWNLINK_FRAME_BYTES, b"\0")
        if self._playing:
            self._playing = False
            self._on_event(PlayoutEvent.DRAINED)
        return None

    def _drop(self) -> None:
        self._pcm.clear()
        self._read = 0

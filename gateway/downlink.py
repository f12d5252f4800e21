"""Model to client: bursts of PCM in, an even stream of 20 ms frames out.

The model sends a reply several times faster than it is spoken.
:class:`PlayoutBuffer` keeps the difference; the peer's clock pulls one frame
every 20 ms and nobody else decides when something is heard.  Whole replies are
kept, as long as memory allows (``LIMIT_BYTES``; what is above is counted);
``clear`` leaves nothing behind, so that after an interruption at most the
frame already pulled is heard.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.peer import DOWNLINK_FRAME_BYTES, DOWNLINK_HZ, FRAME_MS

LIMIT_BYTES = 32 * 1024 * 1024  # eleven minutes of one reply


class PlayoutEvent(enum.Enum):
    """What a pull changed."""

    STARTED = enum.auto()  # the first frame of a reply leaves now
    DRAINED = enum.auto()  # the last frame of a finished reply has left


@dataclass(slots=True)
class _Reply:
    pcm: bytearray = field(default_factory=bytearray)
    read: int = 0  # everything before this offset has been pulled
    finished: bool = False
    started: bool = False

    @property
    def waiting_bytes(self) -> int:
        return len(self.pcm) - self.read

    def take(self, size: int) -> bytes:
        data = bytes(self.pcm[self.read : self.read + size])
        self.read += len(data)
        if self.read > 1 << 20:
            del self.pcm[: self.read]
            self.read = 0
        return data


class PlayoutBuffer:
    """What the model has said and the client has not heard.

    ``push`` PCM as it comes, ``finish`` when the reply is complete, ``clear``
    when it is interrupted.  ``pull`` is the playout clock's.  A pull that finds
    an unfinished reply without a whole frame is an underrun: silence now, and
    the reply goes on when more has come.  Replies play one after another, each
    with its own ``STARTED`` and ``DRAINED``.
    """

    def __init__(self, on_event: Callable[[PlayoutEvent], None]) -> None:
        self._replies: deque[_Reply] = deque()
        self._on_event = on_event
        self.heard_ms = 0  # of the reply that plays, or played last
        self.frames = 0
        self.underruns = 0
        self.overflow_bytes = 0

    @property
    def waiting_ms(self) -> int:
        """How much is still to be played."""
        return sum(reply.waiting_bytes for reply in self._replies) * 1000 // (DOWNLINK_HZ * 2)

    def push(self, pcm: bytes) -> None:
        """Take 24 kHz mono s16le of the newest reply."""
        if not pcm:
            return
        if not self._replies or self._replies[-1].finished:
            self._replies.append(_Reply())
        room = LIMIT_BYTES - sum(reply.waiting_bytes for reply in self._replies)
        self._replies[-1].pcm += pcm[: max(0, room)]
        self.overflow_bytes += max(0, len(pcm) - room)

    def finish(self) -> None:
        """The newest reply is complete: its tail plays even if it is no whole frame."""
        if self._replies:
            self._replies[-1].finished = True

    def clear(self) -> None:
        """Drop everything that was not pulled."""
        self._replies.clear()

    def pull(self) -> bytes | None:
        """The frame to play now, or ``None`` for silence."""
        while self._replies:
            reply = self._replies[0]
            if reply.waiting_bytes >= DOWNLINK_FRAME_BYTES or (
                reply.finished and reply.waiting_bytes
            ):
                return self._play(reply)
            if not reply.finished:
                self.underruns += reply.started
                return None
            self._replies.popleft()
            if reply.started:
                self._on_event(PlayoutEvent.DRAINED)
        return None

    def _play(self, reply: _Reply) -> bytes:
        frame = reply.take(DOWNLINK_FRAME_BYTES).ljust(DOWNLINK_FRAME_BYTES, b"\0")
        if not reply.started:
            reply.started = True
            self.heard_ms = 0
            self._on_event(PlayoutEvent.STARTED)
        self.frames += 1
        self.heard_ms += FRAME_MS
        return frame

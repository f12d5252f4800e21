"""Model to client: bursts of PCM in, an even stream of 20 ms frames out.

The model sends a reply several times faster than it is spoken.
:class:`PlayoutBuffer` keeps the difference; the peer's clock pulls one frame
every 20 ms and nobody else decides when something is heard.  Whole replies are
kept, as long as memory allows (``LIMIT_BYTES``; what is above is counted);
``clear`` leaves nothing behind, so that after an interruption at most the
frame already pulled is heard.

A peer that encodes gives its encoder to :meth:`PlayoutBuffer.encode_with`.
Then frames come out encoded, some of them ahead of time: encoding is the
dearest step of this direction, and a frame that is ready leaves on time however
late the clock is.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.peer import DOWNLINK_FRAME_BYTES, DOWNLINK_HZ, FRAME_MS

LIMIT_BYTES = 32 * 1024 * 1024  # eleven minutes of one reply
AHEAD_FRAMES = 3  # enough for a late clock; an interruption throws them away


class PlayoutEvent(enum.Enum):
    """What a pull changed."""

    STARTED = enum.auto()  # the first frame of a reply leaves now
    DRAINED = enum.auto()  # the last frame of a finished reply has left


@dataclass(slots=True)
class _Reply:
    pcm: bytearray = field(default_factory=bytearray)
    read: int = 0  # everything before this offset has been taken
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
        self._ahead: deque[tuple[_Reply, bytes]] = deque()  # encoded, in the order of playing
        self._encode: Callable[[bytes], bytes] | None = None
        self._waiting_bytes = 0
        self._on_event = on_event
        self.heard_ms = 0  # of the reply that plays, or played last
        self.frames = 0
        self.underruns = 0
        self.overflow_bytes = 0

    @property
    def is_waiting(self) -> bool:
        """Whether a pull would change anything."""
        return bool(self._replies)

    @property
    def waiting_ms(self) -> int:
        """How much is still to be played."""
        waiting_ms = self._waiting_bytes * 1000 // (DOWNLINK_HZ * 2)
        return waiting_ms + len(self._ahead) * FRAME_MS

    def push(self, pcm: bytes) -> None:
        """Take 24 kHz mono s16le of the newest reply."""
        if not pcm:
            return
        if not self._replies or self._replies[-1].finished:
            self._replies.append(_Reply())
        taken = pcm[: max(0, LIMIT_BYTES - self._waiting_bytes)]
        self._replies[-1].pcm += taken
        self._waiting_bytes += len(taken)
        self.overflow_bytes += len(pcm) - len(taken)

    def finish(self) -> None:
        """The newest reply is complete: its tail plays even if it is no whole frame."""
        if self._replies:
            self._replies[-1].finished = True

    def clear(self) -> None:
        """Drop everything that was not pulled."""
        self._replies.clear()
        self._ahead.clear()
        self._waiting_bytes = 0

    def encode_with(self, encode: Callable[[bytes], bytes] | None) -> None:
        """From now on frames come out as ``encode`` makes them; ``None``: as PCM.

        What was encoded before plays as it is.
        """
        self._encode = encode

    def prepare(self) -> None:
        """Encode one more frame ahead of its time, if there is one and not enough are."""
        if self._encode is None or len(self._ahead) >= AHEAD_FRAMES:
            return
        for reply in self._replies:
            pcm = self._take(reply)
            if pcm is not None:
                self._ahead.append((reply, self._encode(pcm)))
                return
            if not reply.finished:
                return

    def pull(self) -> bytes | None:
        """The frame to play now, or ``None`` for silence."""
        while self._replies:
            reply = self._replies[0]
            if self._ahead and self._ahead[0][0] is reply:
                return self._play(reply, self._ahead.popleft()[1])
            pcm = self._take(reply)
            if pcm is not None:
                return self._play(reply, pcm if self._encode is None else self._encode(pcm))
            if not reply.finished:
                self.underruns += reply.started
                return None
            self._replies.popleft()
            if reply.started:
                self._on_event(PlayoutEvent.DRAINED)
        return None

    def _take(self, reply: _Reply) -> bytes | None:
        """The next frame of a reply, if it has a whole one or will have none."""
        waiting = reply.waiting_bytes
        if waiting >= DOWNLINK_FRAME_BYTES:
            self._waiting_bytes -= DOWNLINK_FRAME_BYTES
            return reply.take(DOWNLINK_FRAME_BYTES)
        if not reply.finished or not waiting:
            return None
        self._waiting_bytes -= waiting
        return reply.take(waiting).ljust(DOWNLINK_FRAME_BYTES, b"\0")

    def _play(self, reply: _Reply, frame: bytes) -> bytes:
        if not reply.started:
            reply.started = True
            self.heard_ms = 0
            self._on_event(PlayoutEvent.STARTED)
        self.frames += 1
        self.heard_ms += FRAME_MS
        return frame

"""Client to model: what the client says, as even 20 ms frames of 16 kHz PCM.

Arriving audio times this direction.  :class:`UplinkBuffer` cuts it into
frames and knows no clock; when nothing arrives (a muted client that sends no
packets, a burst of loss) it says when silence is due, because the service's
voice detection counts received audio, not time.  :class:`Uplink` is the shell:
one loop that sends what is due.

A service that takes audio more slowly than it is spoken costs the oldest
frames, counted, never memory: the reader never waits for the writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections import deque
from collections.abc import Callable
from typing import Protocol

from gateway.peer import FRAME_MS, UPLINK_HZ

FRAME_BYTES = UPLINK_HZ * FRAME_MS // 1000 * 2
SILENT_FRAME = bytes(FRAME_BYTES)
FRAME_S = FRAME_MS / 1000


class Due(enum.Enum):
    """What to send when it is not a frame."""

    NOTHING = enum.auto()
    STREAM_END = enum.auto()  # realtimeInput.audioStreamEnd


class UplinkBuffer:
    """Frames of the caller's audio, and silence where there is none.

    ``push`` as audio arrives; ``take`` until it returns ``Due.NOTHING``; come
    back at ``deadline()`` or after the next ``push``.  Times are seconds of
    any one monotonic clock.

    After ``gap_s`` without audio, silence fills the time line in real time;
    after ``end_s`` the stream is declared ended once and silence stops, until
    audio arrives again.
    """

    def __init__(self, *, limit_frames: int = 50, gap_s: float = 0.06, end_s: float = 1.0) -> None:
        self._frames: deque[bytes] = deque()
        self._rest = bytearray()
        self._limit_frames = limit_frames
        self._gap_s = gap_s
        self._end_s = end_s
        self._last_s: float | None = None  # when audio last arrived
        self._filled_s = 0.0  # the time line is complete up to here
        self._ended = False
        self.frames = 0
        self.silence_frames = 0
        self.dropped_frames = 0

    def push(self, pcm: bytes, now: float) -> None:
        """Take 16 kHz mono s16le that has just arrived."""
        self._rest += pcm
        self._last_s = self._filled_s = now
        self._ended = False
        while len(self._rest) >= FRAME_BYTES:
            if len(self._frames) == self._limit_frames:
                self._frames.popleft()
                self.dropped_frames += 1
            self._frames.append(bytes(self._rest[:FRAME_BYTES]))
            del self._rest[:FRAME_BYTES]

    def take(self, now: float) -> bytes | Due:
        """The next frame that is due, or what is due instead."""
        if self._frames:
            self.frames += 1
            return self._frames.popleft()
        if self._last_s is None or self._ended or now - self._last_s < self._gap_s:
            return Due.NOTHING
        if now - self._last_s >= self._end_s:
            self._ended = True
            return Due.STREAM_END
        if now - self._filled_s >= FRAME_S:
            self._filled_s += FRAME_S
            self.silence_frames += 1
            return SILENT_FRAME
        return Due.NOTHING

    def deadline(self) -> float | None:
        """When ``take`` has something again if no audio arrives; ``None`` for never."""
        if self._last_s is None or self._ended:
            return None
        return max(self._last_s + self._gap_s, self._filled_s + FRAME_S)


class LiveInput(Protocol):
    """The part of a live session that takes audio."""

    async def send_audio(self, pcm: bytes) -> None: ...

    async def send_audio_stream_end(self) -> None: ...


class Uplink:
    """Sends what the client says to the live session, in one loop.

    ``on_frame`` hears every frame as it is sent, silence included;
    ``on_overrun`` is told how many frames were dropped, once a second at most.
    """

    def __init__(
        self,
        *,
        on_frame: Callable[[bytes], None],
        on_overrun: Callable[[int], None],
        clock: Callable[[], float],
    ) -> None:
        self.buffer = UplinkBuffer()
        self._on_frame = on_frame
        self._on_overrun = on_overrun
        self._clock = clock
        self._arrived = asyncio.Event()
        self._reported_drops = 0
        self._reported_s = -1.0

    def push(self, pcm: bytes) -> None:
        """Called by the peer; never waits."""
        self.buffer.push(pcm, self._clock())
        self._arrived.set()

    async def run(self, live: LiveInput) -> None:
        """Send until cancelled, or until the live session raises."""
        # What was dropped before there was a live session is not the service's fault.
        self._reported_drops = self.buffer.dropped_frames
        while True:
            self._arrived.clear()
            while (due := self.buffer.take(self._clock())) is not Due.NOTHING:
                await self._send(live, due)
            self._report_drops()
            await self._wait()

    async def _send(self, live: LiveInput, due: bytes | Due) -> None:
        if isinstance(due, bytes):
            self._on_frame(due)
            await live.send_audio(due)
        else:
            await live.send_audio_stream_end()

    async def _wait(self) -> None:
        deadline = self.buffer.deadline()
        timeout = None if deadline is None else max(0.0, deadline - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._arrived.wait()

    def _report_drops(self) -> None:
        """Say what was dropped, once a second at most."""
        dropped = self.buffer.dropped_frames - self._reported_drops
        now = self._clock()
        if dropped and now - self._reported_s >= 1.0:
            self._reported_drops += dropped
            self._reported_s = now
            self._on_overrun(dropped)

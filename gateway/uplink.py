"""Client to model: what the client says, as even 20 ms frames of 16 kHz PCM.

Arriving audio times this direction.  :class:`UplinkBuffer` cuts it into
frames and knows no clock; when nothing arrives (a muted client that sends no
packets, a burst of loss) it says when silence is due, because the service's
voice detection counts received audio, not time.  :class:`Uplink` is the shell:
it sends what is due, at once, with no queue and no task in between.

A service that takes audio more slowly than it is spoken costs the oldest
frames, counted, never memory: the reader never waits for the writer.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Callable
from typing import Protocol

from gateway.peer import FRAME_MS, UPLINK_HZ
from gateway.ticker import Ticker

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
        self.waiting: deque[bytes] = deque()  # whole frames
        self._rest = b""
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
        self._last_s = self._filled_s = now
        self._ended = False
        if self._rest or len(pcm) != FRAME_BYTES:
            pcm = self._rest + pcm
        for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES):
            if len(self.waiting) == self._limit_frames:
                self.waiting.popleft()
                self.dropped_frames += 1
            self.waiting.append(pcm[at : at + FRAME_BYTES])
        self._rest = pcm[len(pcm) - len(pcm) % FRAME_BYTES :]

    def take_frames(self) -> bytes:
        """The next frame, or two when more wait; there must be one."""
        frames = self.waiting
        self.frames += 1
        frame = frames.popleft()
        if not frames:
            return frame
        self.frames += 1
        return frame + frames.popleft()

    def take(self, now: float) -> bytes | Due:
        """The next frame that is due, or two when more wait; or what is due instead."""
        if self.waiting:
            return self.take_frames()
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
    """The part of a live session that takes audio.  Nothing of it waits."""

    @property
    def can_write(self) -> bool:
        """Whether it takes more now; a service that is slow, or gone, does not."""

    def write_audio(self, pcm: bytes) -> None: ...

    def write_audio_stream_end(self) -> None: ...


class Uplink:
    """Sends what the client says to the live session, as it arrives.

    ``on_frame`` hears every frame as it is sent, silence included, one or more
    whole frames at a time; ``on_overrun`` is told how many frames were dropped,
    once a second at most.
    """

    def __init__(
        self,
        *,
        on_frame: Callable[[bytes], None],
        on_overrun: Callable[[int], None],
        clock: Callable[[], float],
        ticker: Ticker,
    ) -> None:
        self.buffer = UplinkBuffer()
        self._on_frame = on_frame
        self._on_overrun = on_overrun
        self._clock = clock
        self._live: LiveInput | None = None
        self._ticker = ticker
        self._failed: asyncio.Future[None] | None = None
        self._reported_drops = 0
        self._reported_s = -1.0

    def push(self, pcm: bytes) -> None:
        """Called by the peer; what can be sent has left when it returns."""
        now = self._clock()
        self.buffer.push(pcm, now)
        live = self._live
        if live is not None and self.buffer.waiting:
            self._send_frames(live, now)

    async def run(self, live: LiveInput) -> None:
        """Send until cancelled; audio itself keeps the time, the ticker when there is none."""
        # What was dropped before there was a live session is not the service's fault.
        self._reported_drops = self.buffer.dropped_frames
        self._live = live
        self._failed = asyncio.get_running_loop().create_future()
        self._ticker.add(self._tick)
        try:
            self._send_frames(live, self._clock())
            await self._failed
        finally:
            self._ticker.remove(self._tick)
            self._live = None

    def _tick(self) -> None:
        live, failed = self._live, self._failed
        if live is None or failed is None or failed.done():
            return
        now = self._clock()
        deadline = self.buffer.deadline()
        if not self.buffer.waiting and (deadline is None or now < deadline):
            return
        try:
            self._send_due(live, now)
        except Exception as error:
            failed.set_exception(error)

    def _send_frames(self, live: LiveInput, now: float) -> None:
        buffer = self.buffer
        while buffer.waiting and live.can_write:
            frame = buffer.take_frames()
            live.write_audio(frame)
            self._on_frame(frame)
        if buffer.dropped_frames != self._reported_drops:
            self._report_drops(now)

    def _send_due(self, live: LiveInput, now: float) -> None:
        """Frames, and what is sent in their place when none arrive."""
        self._send_frames(live, now)
        while live.can_write and (due := self.buffer.take(now)) is not Due.NOTHING:
            if isinstance(due, bytes):
                live.write_audio(due)
                self._on_frame(due)
            else:
                live.write_audio_stream_end()

    def _report_drops(self, now: float) -> None:
        """Say what was dropped, once a second at most."""
        if now - self._reported_s >= 1.0:
            dropped = self.buffer.dropped_frames - self._reported_drops
            self._reported_drops += dropped
            self._reported_s = now
            self._on_overrun(dropped)

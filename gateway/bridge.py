"""Where the two directions of a call meet.

The uplink knows nothing of the playout and neither knows whose turn it is.
The bridge passes what the client says to the live session, what the model says
to the playout, and everything that happens to the
:class:`~gateway.turn.TurnMachine`, whose answers become the events the client
is told.  Read :meth:`Bridge.run`, then :meth:`Bridge._on_live`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from gateway import turn
from gateway.downlink import PlayoutBuffer, PlayoutEvent
from gateway.errors import LiveError
from gateway.live import messages as live
from gateway.media.resample import Resampler
from gateway.media.vad import SpeechStarted, VoiceActivity
from gateway.peer import DOWNLINK_HZ, UPLINK_HZ
from gateway.ticker import Ticker
from gateway.turn import CallState, TurnEvent, TurnMachine
from gateway.uplink import LiveInput, Uplink

PIECE_CHARS = 10_000  # of a transcript, in one event


class Live(LiveInput, Protocol):
    """An open live session, as the bridge uses it (``gateway.live.LiveSession``)."""

    async def send_text(self, text: str) -> None: ...

    def __aiter__(self) -> AsyncIterator[live.LiveEvent]: ...


class Bridge:
    """Carries one call between its peer and a live session.

    Made with the call, so that the last second of what is said while the live
    session is dialled is not lost.  The peer gives sound to :meth:`push_audio`
    and takes the reply's with :meth:`pull`; ``on_sound`` says that there may be
    some.  ``publish(type, **fields)`` tells the client.
    """

    def __init__(
        self,
        publish: Callable[..., None],
        *,
        ticker: Ticker,
        on_sound: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publish = publish
        self._on_sound = on_sound
        self._clock = clock
        self._turn = TurnMachine()
        self._turn_changed = asyncio.Event()
        self._turn_due_s: float | None = None  # the deadline that is waited for
        self._voice = VoiceActivity(UPLINK_HZ)
        self._uplink = Uplink(
            on_frame=self._on_frame, on_overrun=self._on_overrun, clock=clock, ticker=ticker
        )
        self._texts: asyncio.Queue[str] = asyncio.Queue(maxsize=32)
        self._resampler: Resampler | None = None
        self.playout = PlayoutBuffer(self._on_playout)
        self.last_active_s = clock()

    @property
    def state(self) -> CallState:
        return self._turn.state

    @property
    def silent_s(self) -> float:
        """How long neither side has said anything."""
        return self._clock() - self.last_active_s

    def counters(self) -> dict[str, int]:
        """What was carried and what was lost since the call began."""
        buffer = self._uplink.buffer
        return {
            "uplink_frames": buffer.frames,
            "uplink_silence_frames": buffer.silence_frames,
            "uplink_dropped_frames": buffer.dropped_frames,
            "downlink_frames": self.playout.frames,
            "downlink_underruns": self.playout.underruns,
            "downlink_overflow_bytes": self.playout.overflow_bytes,
        }

    async def run(self, session: Live, *, greeting: str = "") -> None:
        """Carry both directions until the live session is closed.

        ``greeting`` is said to the model first, as text, so that it speaks
        first.  Raises :exc:`~gateway.errors.LiveClosed` with the service's code
        and reason.
        """
        self._tell(self._turn.begin(self._clock(), greeting=bool(greeting)))
        self.last_active_s = self._clock()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._uplink.run(session), name="uplink")
                group.create_task(self._write(session, greeting), name="texts")
                group.create_task(self._listen(session), name="live events")
                group.create_task(self._keep_time(), name="turn clock")
        except BaseExceptionGroup as group:
            raise _cause_of(group) from None

    # Client to model

    def push_audio(self, pcm: bytes) -> None:
        """16 kHz mono s16le from the peer."""
        self._uplink.push(pcm)

    def push_text(self, text: str) -> bool:
        """What the caller typed; it cuts the reply.  ``False``: too much is waiting."""
        if self._texts.full():
            return False
        self.interrupt()
        self.last_active_s = self._clock()
        self._tell(self._turn.caller_wrote(text, self._clock()))
        self._texts.put_nowait(text)
        return True

    def interrupt(self) -> None:
        """Stop this reply: nothing of it is played any more."""
        heard_ms = self.playout.heard_ms
        self.playout.clear()
        self._tell(self._turn.caller_interrupted(heard_ms, self._clock()))

    async def _write(self, session: Live, greeting: str) -> None:
        if greeting:
            await session.send_text(greeting)
        while True:
            await session.send_text(await self._texts.get())

    def _on_frame(self, pcm: bytes) -> None:
        events = self._voice.push(pcm)
        now = self._clock()
        if self._voice.speaking or events:
            self.last_active_s = now
        for event in events:
            if isinstance(event, SpeechStarted):
                self._tell(self._turn.caller_started())
            else:
                ago_ms = self._voice.position_ms - event.at_ms
                self._tell(self._turn.caller_stopped(now - ago_ms / 1000, now))

    def _on_overrun(self, frames: int) -> None:
        self._publish(
            "warning",
            code="uplink_overrun",
            message=f"The service is slow to take audio; {frames} frames of it were dropped.",
        )

    # Model to client

    def pull(self) -> bytes | None:
        """20 ms of the reply for the peer, or ``None`` for silence."""
        frame = self.playout.pull()
        if frame is not None:
            self.last_active_s = self._clock()
        return frame

    async def _listen(self, session: Live) -> None:
        async for event in session:
            self._on_live(event)
            if self.playout.is_waiting:
                self._on_sound()

    def _on_live(self, event: live.LiveEvent) -> None:
        """Act on one thing the service said.  Any may come at any time."""
        machine, now = self._turn, self._clock()
        match event:
            case live.AudioChunk(pcm=b""):
                pass
            case live.AudioChunk():
                self._tell(machine.model_sounded(now))
                if not machine.discarding:
                    self.playout.push(self._at_playout_rate(event))
            case live.Transcription(speaker="user"):
                said = machine.user_transcript(
                    event.text, finished=event.finished, interim=event.interim
                )
                self._tell(said)
            case live.Transcription():
                self._tell(machine.model_transcript(event.text, finished=event.finished))
            case live.TextChunk(thought=False):
                self._tell(machine.model_spoke(now))
                self._tell(machine.model_transcript(event.text, finished=False))
            case live.Interrupted():
                # May come after turnComplete: seconds of the reply can still be
                # waiting here, and they must go.
                heard_ms = self.playout.heard_ms
                self.playout.clear()
                self._tell(machine.model_interrupted(heard_ms, now))
            case live.GenerationComplete():
                self.playout.finish()
                self._tell(machine.model_generated())
            case live.TurnComplete(interaction_status="IN_PROGRESS"):
                pass  # a boundary inside one reply
            case live.TurnComplete():
                self.playout.finish()
                self._tell(machine.model_turn_complete())
            case live.Usage():
                tokens = (event.prompt_tokens, event.output_tokens, event.total_tokens)
                machine.model_usage(turn.TokenUsage(*tokens))
            case live.GoAway():
                self._publish("warning", code="live_going_away", message=_going_away(event))
            case _:
                pass  # what later features use

    def _at_playout_rate(self, chunk: live.AudioChunk) -> bytes:
        if chunk.rate_hz == DOWNLINK_HZ:
            return chunk.pcm
        if self._resampler is None or self._resampler.in_hz != chunk.rate_hz:
            self._resampler = Resampler(chunk.rate_hz, DOWNLINK_HZ)
        return self._resampler.push(chunk.pcm)

    def _on_playout(self, event: PlayoutEvent) -> None:
        if event is PlayoutEvent.STARTED:
            self._tell(self._turn.playout_started(self._clock()))
        else:
            self._tell(self._turn.playout_drained())

    # To whoever listens

    def _tell(self, events: list[TurnEvent]) -> None:
        due_s, waited_s = self._turn.deadline(), self._turn_due_s
        if due_s is not None and (waited_s is None or due_s < waited_s):
            self._turn_changed.set()
        for event in events:
            match event:
                case turn.StateChanged(state):
                    self._publish("call.state", state=state)
                case turn.SpeechStarted(number):
                    self._publish("speech.started", turn=number)
                case turn.SpeechStopped(number):
                    self._publish("speech.stopped", turn=number)
                case turn.Transcript():
                    self._tell_words(event)
                case turn.TurnStarted(number):
                    self._publish("turn.started", turn=number)
                case turn.TurnInterrupted(number, heard_ms):
                    self._publish("turn.interrupted", turn=number, heard_ms=heard_ms)
                case turn.TurnCompleted(number, latency_ms, usage):
                    self._publish(
                        "turn.completed",
                        turn=number,
                        latency_ms=latency_ms,
                        usage=None if usage is None else usage.as_dict(),
                    )

    def _tell_words(self, said: turn.Transcript) -> None:
        """In pieces that fit a data channel message."""
        pieces = [said.text[at : at + PIECE_CHARS] for at in range(0, len(said.text), PIECE_CHARS)]
        for number, piece in enumerate(pieces or [""], start=1):
            self._publish(
                f"transcript.{said.speaker}",
                text=piece,
                final=said.final and number >= len(pieces),
                interim=said.interim,
                turn=said.turn,
            )

    async def _keep_time(self) -> None:
        """Wake the turn machine when it is due."""
        while True:
            self._turn_changed.clear()
            self._turn_due_s = deadline = self._turn.deadline()
            timeout = None if deadline is None else max(0.0, deadline - self._clock())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._turn_changed.wait()
            deadline = self._turn.deadline()  # it may have moved away meanwhile
            if deadline is not None and self._clock() >= deadline:
                self._tell(self._turn.tick(self._clock()))
                if self._turn.is_idle:
                    self.playout.finish()
                    self._on_sound()


def _going_away(event: live.GoAway) -> str:
    if event.time_left_s is None:
        return "The service will close this connection soon."
    return f"The service will close this connection in {event.time_left_s:.0f} s."


def _cause_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error a call ends with: the service's close, if that is among them."""
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves.append(_cause_of(error) if isinstance(error, BaseExceptionGroup) else error)
    return next((leaf for leaf in leaves if isinstance(leaf, LiveError)), leaves[0])

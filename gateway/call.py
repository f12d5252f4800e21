"""One call, from its offer to its end: a straight line with one end and one reason.

:meth:`Call.answer` takes the client's offer.  :meth:`Call.run` is the rest of
its life: open the live session while the client connects, carry both
directions, and when the first of many possible ends has come, say so and free
everything.  Whoever knows of an end calls :meth:`Call.end`; the first wins.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from ulid import ULID

from gateway.bridge import Bridge, Live
from gateway.config import CallConfig
from gateway.control import (
    PROTOCOL,
    BadMessage,
    ClientMessage,
    Hello,
    InputText,
    Interrupt,
    parse_message,
)
from gateway.errors import LiveClosed, LiveError, StaleEtag
from gateway.events import EventLog
from gateway.peer import Peer, PeerListener, Playout
from gateway.ticker import Ticker

logger = logging.getLogger(__name__)

_FAREWELL_S = 3.0  # for a client whose data channel is still on its way
COMPLAINTS_PER_S = 20  # errors told of what a client sends
_PARTING_S = 1.0  # for the last words to leave, and the client to close first


class CloseReason(enum.StrEnum):
    """Why a call ended; ``docs/protocol.md`` has a sentence on each."""

    HANGUP = "hangup"
    NOT_CONNECTED = "not_connected"
    PEER_LOST = "peer_lost"
    IDLE = "idle"
    LIMIT = "limit"
    LIVE_REFUSED = "live_refused"
    LIVE_LOST = "live_lost"
    SHUTDOWN = "shutdown"
    BUG = "bug"


# Ends that a client which never connected need not be told of.
_NOT_AWAITED = (CloseReason.HANGUP, CloseReason.NOT_CONNECTED, CloseReason.SHUTDOWN)


@dataclass(frozen=True, slots=True)
class Ended:
    reason: CloseReason
    message: str


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What a call asks of its live session; ``None`` is the model's own choice."""

    model: str
    voice: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What can be told of a call, open or ended; a value that outlives it.

    ``state`` is ``connecting``, ``listening``, ``thinking``, ``speaking`` or
    ``ended``; ``counters`` are totals since the call began; ``etag`` names the
    generation of ICE credentials.
    """

    id: str
    etag: str
    state: str
    created_at: datetime
    age_ms: int
    settings: CallSettings
    ended: Ended | None
    counters: dict[str, int]


class LiveSession(Live, Protocol):
    """A live session, as a call owns it."""

    async def aclose(self) -> None: ...


Dial = Callable[[CallSettings], Awaitable[LiveSession]]
MakePeer = Callable[[PeerListener, Playout], Peer]


class Call:
    """One call.  It listens to its peer, and owns it and the live session.

    To its peer it is both :class:`~gateway.peer.PeerListener` and
    :class:`~gateway.peer.Playout`.
    """

    def __init__(
        self,
        settings: CallSettings,
        limits: CallConfig,
        make_peer: MakePeer,
        dial: Dial,
        *,
        ticker: Ticker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = f"call_{ULID()}"
        self.settings = settings
        self.created_at = datetime.now(UTC)
        self.ended: Ended | None = None
        self._limits = limits
        self._dial = dial
        self._clock = clock
        self._created_s = clock()
        self._ended_s: float | None = None
        self._events = EventLog(self._send)
        self._bridge = Bridge(self._publish, ticker=ticker, on_sound=self._wake, clock=clock)
        self._peer = make_peer(self, self)
        self._connected = asyncio.Event()
        self._can_be_told = asyncio.Event()  # the client has said hello
        self._gone = asyncio.Event()
        self._over = asyncio.Event()
        self._complaints_s = -1.0
        self._complaints = 0

    @property
    def age_ms(self) -> int:
        """Milliseconds since the call was created, or how long it was once it has ended."""
        until_s = self._clock() if self._ended_s is None else self._ended_s
        return round((until_s - self._created_s) * 1000)

    def record(self) -> CallRecord:
        return CallRecord(
            id=self.id,
            etag=self._peer.etag,
            state="ended" if self.ended else self._bridge.state.value,
            created_at=self.created_at,
            age_ms=self.age_ms,
            settings=self.settings,
            ended=self.ended,
            counters=self._bridge.counters() | self._peer.counters(),
        )

    def end(self, reason: CloseReason, message: str) -> None:
        """End the call; the first reason is the one that counts."""
        if self.ended is not None:
            return
        self.ended = Ended(reason, message)
        self._ended_s = self._clock()
        self._over.set()
        self._bridge.playout.clear()
        self._events.publish("call.ended", self.age_ms, reason=reason, message=message)

    async def answer(self, offer: str) -> str:
        """Answer the client's offer, once, before :meth:`run`.

        Raises :exc:`~gateway.errors.BadOffer` or
        :exc:`~gateway.errors.NoCommonCodec`; nothing is left to free then.
        """
        try:
            return await self._peer.answer(offer)
        except BaseException:
            await self._peer.aclose()
            raise

    async def renegotiate(self, offer: str, etags: Collection[str] | None = None) -> str:
        """Answer a later offer of the same client; see :meth:`gateway.peer.Peer.renegotiate`.

        With ``etags``, only if one of them is the call's, otherwise
        :exc:`~gateway.errors.StaleEtag`.
        """
        self._expect(etags)
        return await self._peer.renegotiate(offer)

    def patch(self, fragment: str, etags: Collection[str] | None) -> str | None:
        """Take a trickle ICE fragment; see :meth:`gateway.peer.Peer.patch`.

        ``etags`` as in :meth:`renegotiate`; without them (``If-Match: *``) new
        credentials restart ICE.
        """
        self._expect(etags)
        return self._peer.patch(fragment, may_restart=etags is None)

    def _expect(self, etags: Collection[str] | None) -> None:
        if etags is not None and self._peer.etag not in etags:
            raise StaleEtag("ICE was restarted since this tag was given.")

    async def run(self) -> None:
        """Live through the call.  Returns when it has ended and all is freed."""
        logger.info("%s: begins, model %s", self.id, self.settings.model)
        tasks = [
            asyncio.create_task(self._converse(), name=f"{self.id} conversation"),
            asyncio.create_task(self._watch_limits(), name=f"{self.id} limits"),
        ]
        for task in tasks:
            task.add_done_callback(self._on_task_done)
        try:
            await self._over.wait()
            for task in tasks:
                task.cancel()
            await self._part()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._peer.aclose()
            if self.ended is not None:
                seconds = self.age_ms / 1000
                logger.info("%s: ended after %.1f s: %s", self.id, seconds, self.ended.reason)

    async def _converse(self) -> None:
        """Open the live session, wait for the client, carry the call."""
        refused = True
        try:
            session = await self._dial(self.settings)
            refused = False
            try:
                await self._connected.wait()
                await self._bridge.run(session, greeting=self._limits.greeting)
            finally:
                await session.aclose()
        except LiveError as error:
            self._end_with(error, refused=refused)

    def _end_with(self, error: LiveError, *, refused: bool) -> None:
        logger.warning(
            "%s: live session: %s (close code %s): %s", self.id, error.code, error.close_code, error
        )
        self._publish("error", code=error.code, message=str(error), fatal=True)
        if refused and not isinstance(error, LiveClosed):
            self.end(CloseReason.LIVE_REFUSED, "The live session could not be opened.")
        else:
            self.end(CloseReason.LIVE_LOST, "The live session was closed by the service.")

    async def _watch_limits(self) -> None:
        """End a call that never connects, that falls silent, or that is too long."""
        limits = self._limits
        try:
            async with asyncio.timeout(limits.connect_s):
                await self._connected.wait()
        except TimeoutError:
            within = f"within {limits.connect_s:g} s"
            self.end(CloseReason.NOT_CONNECTED, f"No media connection came up {within}.")
            return
        while True:
            left_s = limits.call_s - self.age_ms / 1000
            quiet_s = limits.idle_s - self._bridge.silent_s
            if left_s <= 0:
                self.end(CloseReason.LIMIT, f"A call may last {limits.call_s:g} s.")
                return
            if quiet_s <= 0:
                self.end(CloseReason.IDLE, f"Nothing was said for {limits.idle_s:g} s.")
                return
            await asyncio.sleep(max(0.01, min(left_s, quiet_s)))

    async def _part(self) -> None:
        """Let the client hear why, then let it close first; neither for long."""
        assert self.ended is not None, "a call parts after its end"
        unmet = not self._connected.is_set() and self.ended.reason in _NOT_AWAITED
        if unmet or self._gone.is_set() or not self._peer.has_channel:
            return
        await _first_of(_FAREWELL_S, self._gone.wait(), self._can_be_told.wait())
        await _first_of(_PARTING_S, self._gone.wait(), self._peer.drained())
        await _first_of(_PARTING_S, self._gone.wait())

    # What the peer tells (gateway.peer.PeerListener) and takes (gateway.peer.Playout).
    # Its callbacks come from inside the engine, where an error of ours would
    # look like one of the network's.

    def on_connected(self) -> None:
        self._connected.set()

    def on_audio(self, pcm: bytes) -> None:
        try:  # fifty times a second: _or_bug costs more than the rest
            self._bridge.push_audio(pcm)
        except Exception as error:
            self._end_by_bug(error)

    def pull(self) -> bytes | None:
        try:
            return None if self.ended else self._bridge.pull()
        except Exception as error:
            self._end_by_bug(error)
            return None

    def encode_with(self, encode: Callable[[bytes], bytes] | None) -> None:
        self._bridge.playout.encode_with(encode)

    def prepare(self) -> None:
        try:
            self._bridge.playout.prepare()
        except Exception as error:
            self._end_by_bug(error)

    def _wake(self) -> None:
        self._peer.wake()

    def on_message(self, message: str | bytes) -> None:
        with self._or_bug():
            try:
                self._act_on(parse_message(message))
            except BadMessage as error:
                self._complain(error)

    def on_gone(self, *, hung_up: bool) -> None:
        self._gone.set()
        if hung_up:
            self.end(CloseReason.HANGUP, "The client closed the connection.")
        elif self._connected.is_set():
            self.end(CloseReason.PEER_LOST, "The media connection failed.")
        else:
            self.end(CloseReason.NOT_CONNECTED, "No media connection could be made.")

    def _act_on(self, message: ClientMessage) -> None:
        match message:
            case Hello(after_seq=after_seq):
                self._on_hello(after_seq)
            case InputText(text):
                if not self._bridge.push_text(text):
                    raise BadMessage("too many texts are waiting to be sent", "too_many_texts")
            case Interrupt():
                self._bridge.interrupt()

    def _complain(self, error: BadMessage) -> None:
        """Answer nonsense, but not all of a flood of it."""
        now = self._clock()
        if now - self._complaints_s >= 1.0:
            self._complaints_s, self._complaints = now, 0
        self._complaints += 1
        if self._complaints <= COMPLAINTS_PER_S:
            self._publish("error", code=error.code, message=str(error), fatal=False)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._end_by_bug(error)

    @contextlib.contextmanager
    def _or_bug(self) -> Iterator[None]:
        """A mistake of ours ends the call, and nothing else."""
        try:
            yield
        except Exception as error:
            self._end_by_bug(error)

    def _end_by_bug(self, error: BaseException) -> None:
        logger.error("%s: a bug ended the call", self.id, exc_info=error)
        self.end(CloseReason.BUG, "The gateway made a mistake and had to end the call.")

    def _on_hello(self, after_seq: int) -> None:
        self._events.replay(
            after_seq,
            self.age_ms,
            protocol=PROTOCOL,
            call_id=self.id,
            model=self.settings.model,
            voice=self.settings.voice,
            language=self.settings.language,
        )
        self._can_be_told.set()

    def _publish(self, type_: str, **fields: Any) -> None:
        if self.ended is None:  # call.ended is the last event
            self._events.publish(type_, self.age_ms, **fields)

    def _send(self, event: str) -> None:
        self._peer.send(event)


async def _first_of(limit_s: float, *waits: Coroutine[Any, Any, object]) -> None:
    """Until one of these is over, or the time is."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

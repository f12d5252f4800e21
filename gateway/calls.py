"""The open calls: admit, find, hang up, drain.

Also the place where ended calls are remembered for a while, so that a client
without a data channel can still ask what happened.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import replace

from gateway.call import Call, CallRecord, CallSettings, CloseReason, Dial, MakePeer
from gateway.config import CallConfig
from gateway.errors import CallEnded, Draining, TooManyCalls, UnknownCall
from gateway.ticker import Ticker

logger = logging.getLogger(__name__)

REMEMBER_S = 300.0
REMEMBER_CALLS = 1000
_STOPPING = "The gateway is stopping."


class Calls:
    """All calls of this process.

    ``make_peer`` chooses the WebRTC engine and ``dial`` the far end; neither
    is known here.
    """

    def __init__(
        self,
        limits: CallConfig,
        defaults: CallSettings,
        make_peer: MakePeer,
        dial: Dial,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._defaults = defaults
        self._make_peer = make_peer
        self._dial = dial
        self._clock = clock
        self._ticker = Ticker()
        self._open: dict[str, Call] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended: OrderedDict[str, tuple[float, CallRecord]] = OrderedDict()
        self.accepting = True

    def __len__(self) -> int:
        return len(self._open)

    async def create(
        self,
        offer: str,
        *,
        model: str | None = None,
        voice: str | None = None,
        language: str | None = None,
    ) -> tuple[CallRecord, str]:
        """Open a call on an SDP offer; return its record and the SDP answer.

        Raises :exc:`BadOffer`, :exc:`NoCommonCodec`, :exc:`TooManyCalls` or
        :exc:`Draining`.
        """
        if not self.accepting:
            raise Draining(_STOPPING)
        if len(self._open) >= self._limits.max_calls:
            raise TooManyCalls(f"{self._limits.max_calls} calls are open, and no more are taken.")
        chosen = {"model": model, "voice": voice, "language": language}
        settings = replace(self._defaults, **{k: v for k, v in chosen.items() if v is not None})
        call = Call(
            settings,
            self._limits,
            self._make_peer,
            self._dial,
            ticker=self._ticker,
            clock=self._clock,
        )
        self._open[call.id] = call
        try:
            answer = await call.answer(offer)
        except BaseException:
            del self._open[call.id]
            raise
        self._tasks[call.id] = asyncio.create_task(self._run(call), name=call.id)
        if not self.accepting:  # drained while the answer was made
            call.end(CloseReason.SHUTDOWN, _STOPPING)
            raise Draining(_STOPPING)
        return call.record(), answer

    def find(self, call_id: str) -> CallRecord:
        """What a call does, or did if it ended lately.  Raises :exc:`UnknownCall`."""
        self._forget()
        if call_id in self._open:
            return self._open[call_id].record()
        if call_id in self._ended:
            return self._ended[call_id][1]
        raise UnknownCall("There is no such call, or it ended a while ago.")

    async def renegotiate(
        self, call_id: str, offer: str, etags: Collection[str] | None = None
    ) -> tuple[CallRecord, str]:
        """Answer a later offer of an open call; return its record and the SDP answer.

        Raises :exc:`UnknownCall`, :exc:`CallEnded` and what :meth:`Call.renegotiate` does.
        """
        call = self._ongoing(call_id)
        answer = await call.renegotiate(offer, etags)
        return call.record(), answer

    def patch(
        self, call_id: str, fragment: str, etags: Collection[str] | None
    ) -> tuple[CallRecord, str | None]:
        """Give an open call a trickle ICE fragment; return its record and the answer, if any.

        Raises :exc:`UnknownCall`, :exc:`CallEnded` and what :meth:`Call.patch` does.
        """
        call = self._ongoing(call_id)
        answer = call.patch(fragment, etags)
        return call.record(), answer

    def _ongoing(self, call_id: str) -> Call:
        record = self.find(call_id)
        if record.ended is not None:
            raise CallEnded(f"The call has ended: {record.ended.reason}.")
        return self._open[call_id]

    def hang_up(self, call_id: str) -> None:
        """End a call for its client; nothing if it has ended.  Raises :exc:`UnknownCall`."""
        self.find(call_id)
        if call_id in self._open:
            self._open[call_id].end(CloseReason.HANGUP, "The call was hung up.")

    async def drain(self) -> None:
        """Take no more calls, end the open ones, and wait until all is freed."""
        self.accepting = False
        for call in list(self._open.values()):
            call.end(CloseReason.SHUTDOWN, _STOPPING)
        while self._open:
            await asyncio.wait([*self._tasks.values(), asyncio.ensure_future(asyncio.sleep(0.05))])

    async def _run(self, call: Call) -> None:
        try:
            await call.run()
        except Exception:
            logger.exception("%s: could not be closed in order", call.id)
        finally:
            del self._open[call.id], self._tasks[call.id]
            self._ended[call.id] = (self._clock() + REMEMBER_S, call.record())
            self._forget()

    def _forget(self) -> None:
        now = self._clock()
        while self._ended:
            forget_s, _ = next(iter(self._ended.values()))
            if forget_s > now and len(self._ended) <= REMEMBER_CALLS:
                return
            self._ended.popitem(last=False)

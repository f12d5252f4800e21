"""One WebSocket connection to the local server: the shell around a :class:`Dialogue`.

Three kinds of tasks: this one reads, one writes and keeps time, and one per utterance or
sentence waits for another process.  The writer asks for more only when everything has
been written, and the reader stops while much waits to be written: a client that does not
read costs what its socket holds, and nobody else anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeVar

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from gateway.live.local.dialogue import Dialogue
from gateway.live.local.effects import Close, Effect, Recognize, Send, Speak
from gateway.live.local.manners import usage_spelling
from gateway.live.local.outgoing import encode
from gateway.live.local.phrases import Heard
from gateway.live.local.record import Record
from gateway.live.local.switches import Switches

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_MANY = 64  # messages that may wait to be written before reading stops
_ABNORMAL = 1006  # a close code that is never sent: cut the connection


class Hands(Protocol):
    """What takes time and happens elsewhere."""

    async def recognize(self, pcm: bytes) -> Heard:
        """What was said in ``pcm``."""

    async def speak(self, text: str, voice: str, language: str) -> bytes:
        """``text`` as 24 kHz mono s16le."""


class Visit:
    """Carries the frames of ``connection`` to ``dialogue`` and its effects out."""

    def __init__(
        self,
        connection: ServerConnection,
        dialogue: Callable[[float, Record], Dialogue],
        record: Record,
        hands: Hands,
        switches: Switches,
    ) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._dialogue = dialogue(self._loop.time(), record)
        self._record = record
        self._hands = hands
        self._switches = switches
        self._usage = usage_spelling(record.place.service, switches)
        self._outbox: deque[Send | Close] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._frames = 0

    async def run(self) -> None:
        """Until the connection is closed, by whomever."""
        writer = self._start(self._write(), "writer")
        try:
            await self._read(writer)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._dialogue.end(self._loop.time())
            close = self._connection.protocol
            self._record.note_close(close.close_code or _ABNORMAL, close.close_reason or "")

    async def _read(self, writer: asyncio.Task[None]) -> None:
        try:
            async for frame in self._connection:
                if isinstance(frame, bytes) and not self._switches.accept_binary:
                    self._do([Close(1003, "")])
                else:
                    self._do(self._dialogue.receive_frame(frame, self._loop.time()))
                if len(self._outbox) > _MANY and not writer.done():
                    self._room.clear()
                    await self._room.wait()
        except ConnectionClosed:
            return

    async def _write(self) -> None:
        try:
            while True:
                while self._outbox:
                    await self._perform(self._outbox.popleft())
                self._room.set()
                await self._sleep()
                self._do(self._dialogue.tick(self._loop.time()))
                self._wake.clear()  # what was just asked for is written before the next sleep
        except ConnectionClosed:
            return
        finally:
            self._room.set()

    async def _sleep(self) -> None:
        """Until something happened or the dialogue's deadline."""
        deadline = self._dialogue.deadline(self._loop.time())
        alarm = None if deadline is None else self._loop.call_at(deadline, self._wake.set)
        await self._wake.wait()
        if alarm is not None:
            alarm.cancel()

    async def _perform(self, effect: Send | Close) -> None:
        match effect:
            case Send(frame):
                every = self._switches.empty_frames_every
                self._frames += 1
                if every and self._frames % every == 0:
                    await self._send("{}")
                self._record.note_sent(frame, self._loop.time())
                await self._send(encode(frame, self._usage))
            case Close(code, reason):
                # A reason can repeat what the client sent.
                logger.info("closing a live session with %d", code)
                logger.debug("! %s", reason)
                if code == _ABNORMAL:
                    self._connection.transport.abort()
                else:
                    await self._connection.close(code, reason)

    async def _send(self, text: str) -> None:
        binary = self._switches.frame_type == "binary"
        await self._connection.send(text.encode() if binary else text)

    def _do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send() | Close():
                    self._outbox.append(effect)
                case Recognize(ticket, pcm):
                    _ = self._start(self._recognize(ticket, pcm), "recognition")
                case Speak():
                    _ = self._start(self._speak(effect), "synthesis")
        self._wake.set()

    async def _recognize(self, ticket: int, pcm: bytes) -> None:
        nothing = Heard(None, None, "")
        heard = await self._or(self._hands.recognize(pcm), nothing, "recognition")
        self._do(self._dialogue.heard(ticket, heard, self._loop.time()))

    async def _speak(self, speak: Speak) -> None:
        made = self._hands.speak(speak.text, speak.voice, speak.language)
        pcm = await self._or(made, b"", "a voice")
        self._do(self._dialogue.spoken(speak.ticket, pcm, self._loop.time()))

    async def _or(self, work: Awaitable[_T], otherwise: _T, what: str) -> _T:
        """The result of ``work``; if it fails the conversation goes on without."""
        try:
            return await work
        except Exception as error:
            logger.warning("a conversation goes on without %s: %s", what, type(error).__name__)
            return otherwise

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._loop.create_task(work, name=f"local live {name}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed", task.get_name(), exc_info=error)
            self._connection.transport.abort()

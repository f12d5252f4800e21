"""The local Live server: the service's side of the wire on a real WebSocket.

It ships with the gateway, so that everything runs with no key and no network, and is
reached by its URL only.  Both services are there, told apart by the path.
"""

from __future__ import annotations

import asyncio
import http
import logging
import ssl
from collections import deque
from collections.abc import Callable
from datetime import datetime
from random import Random
from types import TracebackType

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from gateway.live import catalog
from gateway.live.local.access import BAD_KEY, QUOTA, credential, find_place
from gateway.live.local.dialogue import Dialogue
from gateway.live.local.generation import tone
from gateway.live.local.handles import Handles
from gateway.live.local.house import House
from gateway.live.local.phrases import Heard
from gateway.live.local.recognizer import Recognizer
from gateway.live.local.record import Record
from gateway.live.local.refusal import INVALID_DATA, Refusal
from gateway.live.local.script import Script
from gateway.live.local.switches import Switches
from gateway.live.local.visit import Visit
from gateway.live.local.voice import Voice

logger = logging.getLogger(__name__)

# At debug level websockets writes what it carries: a caller's words, and keys.
_websocket_logger = logging.getLogger(f"{__name__}.websocket")
_websocket_logger.setLevel(logging.WARNING)

_KEPT_SESSIONS = 32
_CLOSE_S = 2.0
_TONE_MS_PER_CHAR = 60


class LocalLiveServer:
    """An async context manager; ``url`` is its address while it is open.

    ``port`` 0 takes a free one.  ``seed`` decides everything that is chosen, ``clock`` is
    the time of day the model tells, ``script`` what it says instead of its own answers.
    ``sessions`` are the newest live sessions, each a :class:`Record` that keeps
    ``keep_s`` seconds of sound each way.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        switches: Switches | None = None,
        seed: int = 0,
        clock: Callable[[], datetime] = datetime.now,
        script: Script | None = None,
        keep_s: float = 60.0,
    ) -> None:
        self.switches = switches or Switches()
        self.sessions: deque[Record] = deque(maxlen=_KEPT_SESSIONS)
        self.open_sessions = 0
        self.visits = 0
        self._host = host
        self._port = port
        self._tls = tls
        self._keep_s = keep_s
        random = Random(seed)
        self._house = House(
            switches=self.switches,
            catalog=catalog.load(),
            handles=Handles(random),
            random=random,
            clock=clock,
            script=script or Script(),
        )
        self._recognizer = Recognizer()
        self._voice = Voice()
        self._arrived = asyncio.Event()
        self._server: Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None, "the local Live server is not open"
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The base address, as in ``ws://127.0.0.1:9090``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'wss' if self._tls else 'ws'}://{host}:{self.port}"

    async def __aenter__(self) -> LocalLiveServer:
        script, switches = self._house.script, self.switches
        try:
            starts = [self._recognizer.start()] if script.recognize else []
            await asyncio.gather(*starts, *([self._voice.start()] if script.speak else []))
            self._server = await serve(
                self._visit,
                self._host,
                self._port,
                ssl=self._tls,
                process_request=self._admit,
                compression="deflate" if switches.deflate else None,
                max_size=switches.max_message_bytes,
                ping_interval=switches.ping_s or None,
                close_timeout=_CLOSE_S,
                server_header=None,
                logger=_websocket_logger,
            )
        except BaseException:
            await self._stop_hands()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None, "the local Live server was not opened"
        self._server.close()
        await self._server.wait_closed()
        await self._stop_hands()

    async def next_session(self, after: int = 0, timeout_s: float = 10.0) -> Record:
        """Wait until more than ``after`` connections have come, return the newest."""
        async with asyncio.timeout(timeout_s):
            while self.visits <= after:
                self._arrived.clear()
                await self._arrived.wait()
        return self.sessions[-1]

    async def recognize(self, pcm: bytes) -> Heard:
        """What was said in ``pcm``: 16 kHz mono s16le."""
        return await self._recognizer.recognize(pcm)

    async def speak(self, text: str, voice: str, language: str) -> bytes:
        """``text`` as 24 kHz mono s16le; a tone of about its length if the script says so."""
        if not self._house.script.speak:
            return tone(len(text) * _TONE_MS_PER_CHAR, 440.0)
        return await self._voice.speak(text, voice=voice, language=language)

    async def _stop_hands(self) -> None:
        await self._recognizer.aclose()
        await self._voice.aclose()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        place = find_place(request.path)
        if place is None:
            return connection.respond(http.HTTPStatus.NOT_FOUND, "Not Found\n")
        if place.service == "vertex" and not self._knows(request):
            text = "Request had invalid authentication credentials.\n"
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, text)
        return None

    def _knows(self, request: Request) -> bool:
        keys = self.switches.api_keys
        return not keys or credential(request.path, request.headers) in keys

    async def _visit(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None, "a connection without a request"
        place = find_place(request.path)
        assert place is not None, "a path that was refused came through"
        refusal = None
        most = self.switches.max_sessions
        if not self._knows(request):
            refusal = Refusal(INVALID_DATA, BAD_KEY)
        elif most and self.open_sessions >= most:
            refusal = Refusal(self.switches.quota_code, QUOTA)
        record = Record(place, self._keep_s)
        self.sessions.append(record)
        self.visits += 1
        self._arrived.set()

        def dialogue(now: float, record: Record) -> Dialogue:
            loop = asyncio.get_running_loop()
            return Dialogue(
                self._house,
                place,
                now,
                refusal=refusal,
                listener=lambda message: record.note_received(message, loop.time()),
            )

        self.open_sessions += 1
        try:
            await Visit(connection, dialogue, record, self, self.switches).run()
        finally:
            self.open_sessions -= 1

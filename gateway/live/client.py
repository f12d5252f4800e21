"""One live session: dial, set up, talk, close.

:func:`connect` returns when the service has said setup_complete, or raises the
:exc:`LiveError` that says why it did not.  From then on one task iterates over
the :class:`LiveSession` and another one sends; neither waits for the other, and
``buffered_bytes`` tells the sender how far behind the service is.

What may be said when is ``protocol``'s, sockets are ``websocket``'s; this is
where the two meet.
"""

from __future__ import annotations

import asyncio
import logging
import ssl as tls
from collections import deque
from collections.abc import Iterable, Sequence
from types import TracebackType

from gateway.errors import LiveClosed, LiveRefused, LiveUnreachable, RemoteProtocolError
from gateway.live.credentials import Credentials
from gateway.live.endpoint import Endpoint
from gateway.live.messages import (
    ClientMessage,
    Content,
    GoAway,
    LiveEvent,
    SetupComplete,
)
from gateway.live.protocol import LiveProtocol
from gateway.live.setup import LiveSetup, setup_message
from gateway.live.websocket import LiveSocket, SocketClosed, dial

logger = logging.getLogger(__name__)


async def connect(
    endpoint: Endpoint,
    credentials: Credentials,
    setup: LiveSetup,
    *,
    timeout_s: float = 10.0,
    ssl: tls.SSLContext | None = None,
) -> LiveSession:
    """Open a live session; ``timeout_s`` covers everything up to setup_complete.

    ``ssl`` is for ``wss://``; the default context honours ``SSL_CERT_FILE``.

    Raises :exc:`LiveUnreachable`, :exc:`LiveUnauthorized` or :exc:`LiveRefused`,
    with the service's close code and reason where it gave one.
    """
    protocol = LiveProtocol()
    text = protocol.send_setup(setup_message(setup, endpoint))
    waiting_for = "Google's token service did not answer"
    live_socket: LiveSocket | None = None
    events: list[LiveEvent] = []
    try:
        async with asyncio.timeout(timeout_s):
            headers = await credentials.headers()
            waiting_for = f"{endpoint.host} did not open a WebSocket"
            live_socket = await dial(endpoint, headers, ssl)
            waiting_for = f"{endpoint.host} did not complete the set-up"
            await live_socket.send(text)
            while protocol.state != "open":
                events += protocol.receive(await live_socket.receive())
    except TimeoutError:
        raise LiveUnreachable(f"{waiting_for} within {timeout_s:g} s.") from None
    except SocketClosed as closed:
        raise closed.error(was_open=False) from closed
    except RemoteProtocolError as error:
        raise LiveRefused(f"{endpoint.host} does not speak the Live API. {error}") from error
    finally:
        if live_socket is not None and protocol.state != "open":
            await live_socket.abort()
    logger.debug("live session open at %s", endpoint.host)
    events = [event for event in events if not isinstance(event, SetupComplete)]
    return LiveSession(live_socket, protocol, events)


class LiveSession:
    """An open live session; made by :func:`connect`.

    Iterate over it in one task for as long as it lives: iteration ends when
    :meth:`aclose` was called, and raises :exc:`LiveClosed` when the service, the
    network or an unreadable message ended it.  setup_complete is not among the
    events.  The ``send`` methods may be called from any task; they wait while
    the connection takes no data, and raise :exc:`LiveClosed` when it is gone.
    """

    def __init__(
        self, live_socket: LiveSocket, protocol: LiveProtocol, events: Iterable[LiveEvent] = ()
    ) -> None:
        self._socket = live_socket
        self._protocol = protocol
        self._events: deque[LiveEvent] = deque(events)
        self._closing = False

    # -- what is known of it -----------------------------------------------------------

    @property
    def protocol(self) -> LiveProtocol:
        """The state of the conversation and its counters; for reading only."""
        return self._protocol

    @property
    def session_id(self) -> str | None:
        return self._protocol.session_id

    @property
    def handle(self) -> str | None:
        """The newest handle to resume from."""
        return self._protocol.handle

    @property
    def go_away(self) -> GoAway | None:
        """Set once the service has announced the end of the connection."""
        return self._protocol.go_away

    @property
    def buffered_bytes(self) -> int:
        """What was sent and waits: in this process, or in the kernel for acknowledgement.

        A second of audio is about 47 kB.  Sending waits when about a second is
        unsent; whoever wants to drop audio sooner than that can look here.
        """
        return self._socket.buffered_bytes

    # -- from the model ----------------------------------------------------------------

    def __aiter__(self) -> LiveSession:
        return self

    async def __anext__(self) -> LiveEvent:
        while not self._events:
            try:
                self._events.extend(self._protocol.receive(await self._socket.receive()))
            except SocketClosed as closed:
                if self._closing:
                    raise StopAsyncIteration from None
                raise closed.error(was_open=True) from closed
            except RemoteProtocolError as error:
                await self.aclose()
                raise LiveClosed(f"The service sent what cannot be read. {error}") from error
        return self._events.popleft()

    # -- to the model ------------------------------------------------------------------

    async def send_audio(self, pcm: bytes) -> None:
        """s16le mono at 16 kHz, 20 to 40 ms of it."""
        await self._write(self._protocol.send_audio(pcm).decode("ascii"))

    @property
    def can_write(self) -> bool:
        """Whether ``write_audio`` would be sent now; not when the service is behind, or gone."""
        return self._socket.can_write

    def write_audio(self, pcm: bytes) -> None:
        """Like :meth:`send_audio`, at once and without waiting; lost unless ``can_write``."""
        self._socket.write(self._protocol.send_audio(pcm))

    def write_audio_stream_end(self) -> None:
        """Like :meth:`send_audio_stream_end`, at once and without waiting."""
        self._socket.write(self._protocol.send_audio_stream_end().encode())

    async def send_text(self, text: str) -> None:
        """What the user types."""
        await self._write(self._protocol.send_text(text))

    async def send_audio_stream_end(self) -> None:
        """No audio for a while; only with the service's own voice detection."""
        await self._write(self._protocol.send_audio_stream_end())

    async def send_client_content(
        self, turns: Sequence[Content] = (), *, turn_complete: bool = True
    ) -> None:
        """Turns for the context; interrupts, and makes the model answer if ``turn_complete``."""
        await self._write(self._protocol.send_client_content(turns, turn_complete=turn_complete))

    async def send(self, message: ClientMessage) -> None:
        """Any other message."""
        await self._write(self._protocol.send(message))

    async def _write(self, text: str) -> None:
        try:
            await self._socket.send(text)
        except SocketClosed as closed:
            if self._closing:
                raise LiveClosed("The live session was closed by the gateway.") from None
            raise closed.error(was_open=True) from closed

    # -- the end -----------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close, in bounded time whatever the service does.  May be repeated."""
        self._closing = True
        await self._socket.aclose()

    async def __aenter__(self) -> LiveSession:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

"""The WebSocket under a live session: the library, tuned for one call, errors in our words.

A voice call asks more of a socket than the library's defaults give: a service
that is slow but alive is not given up, one that is gone is noticed although we
keep sending, and the sender can see how much of what it sent has not arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import ipaddress
import logging
import socket
import ssl as tls
import struct
import termios
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidMessage,
    InvalidStatus,
    WebSocketException,
)
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

from gateway.errors import LiveClosed, LiveError, LiveUnreachable
from gateway.live.closes import error_of_close, error_of_status
from gateway.live.endpoint import Endpoint
from gateway.live.failures import unreachable
from gateway.live.frames import client_frame

# At debug level websockets writes the headers, and the key with them.
_logger = logging.getLogger(__name__)
_logger.setLevel(logging.INFO)

MAX_MESSAGE_BYTES = 16 * 1024 * 1024  # Google publishes no limit
CLOSE_S = 1.0  # to close politely

# Middleboxes forget a connection that was idle for two minutes.  A busy service
# answers a ping late, behind what it was asked before: pongs of 30 s have been
# seen, and are no reason to end a call.
PING_INTERVAL_S = 20.0
PONG_TIMEOUT_S = 60.0
# The same patience with a peer that takes no data, where no ping gets through.
UNSENT_TIMEOUT_MS = 60_000

# The kernel would take megabytes before it says stop, a minute of speech.  It is
# told to hold less, and so are we: sending waits when about a second is unsent.
UNSENT_BYTES = 16 * 1024

_SENT_CLOSES = {  # by the code that we sent, when no close frame came back
    1002: "The service broke the WebSocket protocol.",
    1009: f"The service sent a message of more than {MAX_MESSAGE_BYTES >> 20} MiB.",
    1011: "The service stopped answering.",  # no pong
}


class SocketClosed(Exception):
    """The WebSocket has ended; ``error`` says how, as a :exc:`LiveError`."""

    def __init__(self, closed: ConnectionClosed) -> None:
        super().__init__(str(closed))
        self._closed = closed

    def error(self, *, was_open: bool) -> LiveError:
        """``was_open``: whether setup_complete had come."""
        theirs, ours = self._closed.rcvd, self._closed.sent
        if theirs is not None:
            return error_of_close(theirs.code, theirs.reason, was_open=was_open)
        if ours is not None and (words := _SENT_CLOSES.get(ours.code)):
            return (LiveClosed if was_open else LiveUnreachable)(words)
        return error_of_close(None, was_open=was_open)


class LiveSocket:
    """An open WebSocket; made by :func:`dial`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._protocol = connection.protocol
        self._transport = connection.transport

    async def send(self, text: str) -> None:
        """Send one text message; waits while too much is waiting.  Raises :exc:`SocketClosed`."""
        try:
            await self._connection.send(text)
        except ConnectionClosed as closed:
            raise SocketClosed(closed) from None

    @property
    def can_write(self) -> bool:
        """Whether the connection is open and takes more at once."""
        return (
            self._protocol.state is State.OPEN
            and self._transport.get_write_buffer_size() <= UNSENT_BYTES
        )

    def write(self, text: bytes) -> None:
        """Put one text message, in UTF-8, on the wire without waiting; lost when that is closed.

        The library's own ``send`` takes several times as long.  A whole frame between two
        of its frames is what it would have written itself.
        """
        if self._protocol.state is State.OPEN:
            self._transport.write(client_frame(text))

    async def receive(self) -> bytes:
        """The next message, text or binary.  Raises :exc:`SocketClosed` after the last one."""
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as closed:
            raise SocketClosed(closed) from None

    @property
    def buffered_bytes(self) -> int:
        """What was sent and waits here, in this process or in the kernel."""
        transport = self._connection.transport
        return transport.get_write_buffer_size() + _unacknowledged_bytes(transport)

    async def aclose(self) -> None:
        """Close with code 1000, within :data:`CLOSE_S`.  May be repeated."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._connection.close()
        except TimeoutError:
            pass
        finally:
            await self.abort()

    async def abort(self) -> None:
        """Drop the connection now."""
        self._connection.transport.abort()
        await self._connection.wait_closed()


async def dial(
    endpoint: Endpoint,
    headers: dict[str, str],
    ssl: tls.SSLContext | None = None,
    *,
    ping_interval_s: float = PING_INTERVAL_S,
    pong_timeout_s: float = PONG_TIMEOUT_S,
) -> LiveSocket:
    """Open a WebSocket to the service; the time limit is the caller's.

    Raises :exc:`LiveError`: what it is depends on why the service refused.
    """
    parts = urlsplit(endpoint.url)
    if parts.scheme == "wss":
        ssl = ssl or await asyncio.to_thread(default_context)
    try:
        connection = await _Dial(
            endpoint.url,
            ssl=ssl if parts.scheme == "wss" else None,
            additional_headers=headers,
            user_agent_header="livegate",
            compression=None,  # base64 of sound gets little smaller, at a price in CPU and memory
            proxy=None if _is_loopback(parts.hostname or "") else True,
            open_timeout=None,
            ping_interval=ping_interval_s,
            ping_timeout=pong_timeout_s,
            close_timeout=CLOSE_S,
            max_size=MAX_MESSAGE_BYTES,
            write_limit=UNSENT_BYTES,
            logger=_logger,
            create_connection=_Connection,
        )
    except InvalidStatus as refusal:
        body = bytes(refusal.response.body or b"").decode("utf-8", "replace")
        raise error_of_status(refusal.response.status_code, body) from refusal
    except InvalidMessage as answer:
        hint = "; is it a wss:// address?" if parts.scheme == "ws" else "."
        raise LiveUnreachable(f"{endpoint.host} did not answer in HTTP{hint}") from answer
    except TimeoutError:
        raise
    except (OSError, EOFError, WebSocketException) as error:
        raise unreachable(endpoint.host, error) from error
    raw = connection.transport.get_extra_info("socket")
    for option, value in (
        ("TCP_NOTSENT_LOWAT", UNSENT_BYTES),
        ("TCP_USER_TIMEOUT", UNSENT_TIMEOUT_MS),
    ):
        if hasattr(socket, option):  # Linux has both
            with contextlib.suppress(OSError):  # reset already: the first read will say so
                raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return LiveSocket(connection)


class _Dial(websocket_connect):
    """Follows no redirect: the key would go along to another host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Connection(ClientConnection):
    """Ends soon after a close frame, even if the TCP connection is left open behind it."""

    _linger: asyncio.TimerHandle | None = None

    def process_event(self, event: Event) -> None:
        super().process_event(event)
        if isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
            self._linger = self.loop.call_later(CLOSE_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._linger is not None:
            self._linger.cancel()
        super().connection_lost(exc)


@functools.cache
def default_context() -> tls.SSLContext:
    """Honours ``SSL_CERT_FILE``.  Made once: reading the system's certificates takes 50 ms."""
    return tls.create_default_context()


def _unacknowledged_bytes(transport: asyncio.Transport) -> int:
    try:
        raw = transport.get_extra_info("socket")
        answer = fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except (OSError, ValueError):  # closed, or a system that does not count them
        return 0
    return int(struct.unpack("i", answer)[0])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

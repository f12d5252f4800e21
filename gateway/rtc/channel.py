"""The data channel ``events``: aiortc's SCTP association over our DTLS.

aiortc's ``RTCSctpTransport`` wants a DTLS transport of its own making, by five
private names; :class:`_Dtls` has them, and this is the only file that knows.
Its methods are coroutines, but with a transport that never waits they never
do, so :func:`_run` takes them in one step, and packets stay in order without a
task for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from aiortc import InvalidStateError, RTCDataChannel, RTCSctpCapabilities, RTCSctpTransport

from gateway.rtc.guard import is_harmless_sctp

logger = logging.getLogger(__name__)

LABEL = "events"
UNSENT_LIMIT_BYTES = 1 << 20  # of messages that a client has not taken
# What a peer can make us keep; one that goes beyond has its association aborted.
MAX_CHANNELS = 16
MAX_STREAMS = 64
MAX_FRAGMENTS = 1024  # of messages that are not whole
MAX_MISORDERED = 256  # packets behind one that is missing
PORT = 5000


class EventsChannel:
    """Accepts the one channel that a client opens, and carries text both ways.

    Shared by both engines: give every ``RTCDataChannel`` the peer opens to
    :meth:`accept`; the first with the right label is taken, others are closed.
    """

    def __init__(self, on_message: Callable[[str | bytes], None]) -> None:
        self._on_message = on_message
        self._channel: RTCDataChannel | None = None

    def accept(self, channel: RTCDataChannel) -> None:
        taken = self._channel is not None and self._channel.readyState in ("connecting", "open")
        if channel.label != LABEL or taken:
            logger.debug("a second or unknown data channel is closed")
            channel.close()
            return
        self._channel = channel
        channel.on("message", self._on_message)

    def send(self, message: str) -> None:
        """Never raises: what a client does not read, or cannot take, is dropped."""
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return
        if channel.bufferedAmount > UNSENT_LIMIT_BYTES:
            logger.debug("the client does not read its data channel: an event is dropped")
            return
        try:
            channel.send(message)
        except (ValueError, InvalidStateError) as error:
            logger.debug("an event is dropped: %s", error)

    async def drained(self) -> None:
        """Wait until everything that was sent has left, or the channel is closed."""
        channel = self._channel
        if channel is None or channel.readyState != "open" or not channel.bufferedAmount:
            return
        low = asyncio.Event()
        channel.once("bufferedamountlow", low.set)
        channel.once("close", low.set)
        await low.wait()


class SctpAssociation:
    """SCTP (RFC 8831) over a DTLS transport that is not aiortc's.

    ``send_packet`` is handed each SCTP packet to encrypt; :meth:`receive` takes
    each one decrypted.  ``is_dtls_server`` decides which stream ids are ours
    (RFC 8832 §6).  Needs a running event loop, for aiortc's timers.
    """

    def __init__(
        self,
        *,
        is_dtls_server: bool,
        remote_port: int,
        max_message_bytes: int,
        send_packet: Callable[[bytes], None],
        on_channel: Callable[[RTCDataChannel], None],
    ) -> None:
        self._dtls = _Dtls(is_dtls_server, send_packet)
        self._sctp = RTCSctpTransport(self._dtls, PORT)  # type: ignore[arg-type]
        self._sctp.on("datachannel", on_channel)
        self._remote_port = remote_port
        self._capabilities = RTCSctpCapabilities(maxMessageSize=max_message_bytes)
        self.dropped = 0

    def start(self) -> None:
        """DTLS is connected."""
        self._dtls.state = "connected"
        _run(self._sctp.start(self._capabilities, self._remote_port))

    def receive(self, packet: bytes) -> None:
        """One SCTP packet; what would harm aiortc, or what it cannot read, is dropped."""
        if self._dtls.receiver is None or not is_harmless_sctp(packet):
            self.dropped += 1
            return
        try:
            _run(self._sctp._handle_data(packet))
        except Exception as error:  # its parsers and asserts have none of their own
            logger.debug("an SCTP packet is dropped: %r", error)
            self.dropped += 1
        if self._is_overfull():
            logger.debug("the peer's SCTP wants more memory than anybody gets")
            self.close()

    def _is_overfull(self) -> bool:
        """aiortc announces a window and keeps whatever comes all the same."""
        sctp = self._sctp
        streams = sctp._inbound_streams.values()
        return (
            len(streams) > MAX_STREAMS
            or len(sctp._data_channels) > MAX_CHANNELS
            or len(sctp._sack_misordered) > MAX_MISORDERED
            or sctp._advertised_rwnd < 0
            or sum(len(stream.reassembly) for stream in streams) > MAX_FRAGMENTS
        )

    def close(self) -> None:
        """Abort the association; safe to call twice."""
        with contextlib.suppress(ConnectionError):
            _run(self._sctp.stop())
        self._dtls.state = "closed"


class _Dtls:
    """What ``RTCSctpTransport`` uses of ``RTCDtlsTransport``."""

    def __init__(self, is_server: bool, send: Callable[[bytes], None]) -> None:
        self.state = "new"
        self.receiver: RTCSctpTransport | None = None
        self._role = "server" if is_server else "client"
        self._send = send

    def _register_data_receiver(self, receiver: RTCSctpTransport) -> None:
        self.receiver = receiver

    def _unregister_data_receiver(self, receiver: RTCSctpTransport) -> None:
        if self.receiver is receiver:
            self.receiver = None

    async def _send_data(self, data: bytes) -> None:
        if self.state == "connected":
            self._send(data)


def _run(step: Coroutine[Any, Any, None]) -> None:
    """Take a coroutine that never waits to its end."""
    try:
        step.send(None)
    except StopIteration:
        return
    step.close()
    raise RuntimeError("aiortc's SCTP waited for something")

"""The worker's media sockets: one port number for all calls, in UDP and in TCP.

A datagram is a STUN check, which names its call by the ufrag in it, or comes
from an address that such a check has proved; everything else is a stranger's:
dropped and counted.  ICE over TCP (RFC 6544, passive) uses the same port number
with the framing of RFC 4571, so a network without UDP still connects.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.rtc.ice import is_stun, local_ufrag
from gateway.rtc.tcp import TcpListener
from gateway.rtc.udp import UdpSocket

logger = logging.getLogger(__name__)

PATHS = 8  # that one call may have proved
_PORT_TRIES = 20


class Path(Protocol):
    """Where datagrams come from and go to: an address of a UDP socket, or a TCP connection."""

    receiver: Receiver | None

    @property
    def address(self) -> tuple[str, int]:
        """The far end, as this side sees it."""

    def send(self, datagram: bytes) -> None:
        """Never waits and never raises; what cannot go now is lost, as on any network."""

    def close(self) -> None:
        """No more datagrams of this path are wanted."""


class Receiver(Protocol):
    """Who takes the datagrams of a call."""

    def on_check(self, datagram: bytes, path: Path, now: float) -> bool:
        """A STUN message for this call; ``True``: it proved that the path is the peer's."""

    def on_datagram(self, datagram: bytes, path: Path, now: float) -> None:
        """Anything else from a proved path."""

    def on_path_closed(self, path: Path) -> None:
        """A proved path is gone for good: its TCP connection has ended."""


class MediaSockets:
    """Sends each datagram to the call it belongs to.

    ``addresses`` are this host's own, without brackets; the port is the same
    for all of them, chosen by the system when ``port`` is 0.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        port: int = 0,
        *,
        tcp: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.addresses = tuple(addresses)
        self.port = port
        self.strangers = 0
        self._tcp = tcp
        self._clock = clock
        self._receivers: dict[str, Receiver] = {}
        self._paths: dict[Receiver, deque[Path]] = {}
        self._sockets: list[UdpSocket] = []
        self._listeners: list[TcpListener] = []

    @property
    def tcp_connections(self) -> int:
        return sum(len(listener.connections) for listener in self._listeners)

    @property
    def unsent(self) -> int:
        """Datagrams that the system would not take."""
        return sum(udp.unsent for udp in self._sockets)

    async def start(self) -> None:
        """Bind.  Raises :exc:`OSError` when an address or the port cannot be had."""
        tries = 1 if self.port else _PORT_TRIES
        for attempt in range(1, tries + 1):
            try:
                await self._bind(self.port)
                break
            except OSError:
                await self._unbind()
                if attempt == tries:
                    raise
        self.port = self._sockets[0].port
        logger.debug("media on port %d of %s", self.port, ", ".join(self.addresses))

    async def aclose(self) -> None:
        await self._unbind()
        self._receivers.clear()
        self._paths.clear()

    def add(self, ufrag: str, receiver: Receiver) -> None:
        """Checks that name ``ufrag`` are for ``receiver``."""
        self._receivers[ufrag] = receiver
        self._paths.setdefault(receiver, deque())

    def remove(self, *ufrags: str) -> None:
        """Forget a call: its ufrags, and its paths when none is left."""
        for ufrag in ufrags:
            receiver = self._receivers.pop(ufrag, None)
            if receiver is None or receiver in self._receivers.values():
                continue
            for path in self._paths.pop(receiver, ()):
                path.receiver = None
                path.close()

    def take(self, datagram: bytes, path: Path, now: float) -> None:
        """A datagram that has no call yet, or is a check."""
        if not is_stun(datagram):
            if path.receiver is None or not datagram:
                self.strangers += 1
            else:
                path.receiver.on_datagram(datagram, path, now)
            return
        ufrag = local_ufrag(datagram)
        receiver = path.receiver if ufrag is None else self._receivers.get(ufrag)
        if receiver is None:
            self.strangers += 1
        elif receiver.on_check(datagram, path, now) and path.receiver is not receiver:
            self._prove(path, receiver)

    def _prove(self, path: Path, receiver: Receiver) -> None:
        paths = self._paths.get(receiver)
        if paths is None:  # the check was the last thing it wanted
            return
        if path.receiver is not None and path in self._paths.get(path.receiver, ()):
            self._paths[path.receiver].remove(path)
        path.receiver = receiver
        paths.append(path)
        if len(paths) > PATHS:
            oldest = paths.popleft()
            oldest.receiver = None
            oldest.close()

    async def _bind(self, port: int) -> None:
        for address in self.addresses:
            udp = UdpSocket(address, port, self.take, self._clock)
            self._sockets.append(udp)
            port = udp.port
            if self._tcp:
                listener = TcpListener(self.take, self._clock)
                await listener.start(address, port)
                self._listeners.append(listener)

    async def _unbind(self) -> None:
        for udp in self._sockets:
            udp.close()
        for listener in self._listeners:
            await listener.aclose()
        self._sockets.clear()
        self._listeners.clear()

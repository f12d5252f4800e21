"""A bound UDP socket, and the addresses behind it that are some call's.

A few packets wake the event loop one by one.  Under load a wake-up costs more
than the packet, so the socket then looks for itself every :data:`POLL_S` and
takes what has come: a network card's driver does the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.rtc.sockets import Path, Receiver

BATCH = 64  # datagrams read before the loop's other work has its turn
DATAGRAM_BYTES = 2048  # more than any link's MTU that WebRTC uses
POLL_S = 0.002
ROUND = 32  # wake-ups, or polls, between two judgements of the load
BUSY_S = ROUND * 0.001  # a round of wake-ups in less: poll
_BUFFER_BYTES = 1 << 20
_EXPEDITED = 46 << 2  # DSCP EF (RFC 8837 §5, audio)


class UdpPath:
    """One far address of one of our sockets."""

    __slots__ = ("_socket", "_to", "receiver")

    def __init__(self, udp: UdpSocket, to: tuple[str, int]) -> None:
        self._socket = udp
        self._to = to
        self.receiver: Receiver | None = None

    @property
    def address(self) -> tuple[str, int]:
        return self._to[0], self._to[1]

    def send(self, datagram: bytes) -> None:
        try:
            self._socket.sendto(datagram, self._to)
        except OSError:  # a full buffer, an unreachable network
            self._socket.unsent += 1

    def close(self) -> None:
        self._socket.paths.pop(self._to, None)


class UdpSocket:
    """Its datagrams go to the receivers of their paths, or to ``take``.

    Raises :exc:`OSError` when the address or the port cannot be had.
    """

    def __init__(
        self,
        address: str,
        port: int,
        take: Callable[[bytes, Path, float], None],
        clock: Callable[[], float],
    ) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, port))
        except OSError:
            sock.close()
            raise
        _tune(sock, family)
        self.port: int = sock.getsockname()[1]
        self.paths: dict[tuple[str, int], UdpPath] = {}  # proved ones, by far address
        self.unsent = 0
        self.sendto = sock.sendto
        self._take = take
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._poll_timer: asyncio.TimerHandle | None = None
        self._round, self._round_s, self._empty = 0, 0.0, 0
        self._loop.add_reader(sock.fileno(), self._on_readable)

    @property
    def is_polling(self) -> bool:
        return self._poll_timer is not None

    def close(self) -> None:
        if self._poll_timer is not None:
            self._poll_timer.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _on_readable(self) -> None:
        now = self._clock()
        self._round += 1
        if self._round == ROUND:
            is_busy = now - self._round_s < BUSY_S
            self._round, self._round_s, self._empty = 0, now, 0
            if is_busy:
                self._loop.remove_reader(self._socket.fileno())
                self._poll_timer = self._loop.call_later(POLL_S, self._poll)
        self._read(now)

    def _poll(self) -> None:
        # First the timer, so that nothing that is read can stop the polls.
        self._poll_timer = self._loop.call_later(POLL_S, self._poll)
        self._round += 1
        now = self._clock()
        self._empty += not self._read(now)
        if self._round == ROUND:
            is_quiet = self._empty > ROUND // 2
            self._round, self._round_s, self._empty = 0, now, 0
            if is_quiet:
                self._poll_timer.cancel()
                self._poll_timer = None
                self._loop.add_reader(self._socket.fileno(), self._on_readable)

    def _read(self, now: float) -> int:
        """Take what has come; returns how many datagrams."""
        receive, paths = self._socket.recvfrom, self.paths
        for count in range(BATCH):
            try:
                datagram, address = receive(DATAGRAM_BYTES)
            except BlockingIOError:
                return count
            except OSError:  # an ICMP error of something that was sent
                continue
            path = paths.get(address)
            if path is not None and datagram and datagram[0] > 3 and path.receiver is not None:
                path.receiver.on_datagram(datagram, path, now)
                continue
            path = path or UdpPath(self, address)
            self._take(datagram, path, now)
            if path.receiver is not None:
                paths[address] = path
        return BATCH


def _tune(sock: socket.socket, family: int) -> None:
    """What the system does not grant is done without."""
    level, option = (
        (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
        if family == socket.AF_INET6
        else (socket.IPPROTO_IP, socket.IP_TOS)
    )
    for what in (
        (socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES),
        (socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES),
        (level, option, _EXPEDITED),
    ):
        with contextlib.suppress(OSError):
            sock.setsockopt(*what)

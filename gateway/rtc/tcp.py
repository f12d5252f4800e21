"""ICE over TCP: a listener whose connections carry datagrams framed as RFC 4571 has it.

Each datagram is two octets of length and itself.  A connection that has not
proved to be some call's within :data:`PROOF_S` is closed, and so is one that
announces a datagram larger than any of ours.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.rtc.sockets import Path, Receiver

PROOF_S = 5.0
UNPROVED = 64  # connections that may be waiting to prove themselves
FRAME_BYTES = 4096
UNSENT_BYTES = 16 * 1024  # a third of a second of sound: older is not worth sending


class TcpListener:
    """Accepts connections on one address."""

    def __init__(
        self, take: Callable[[bytes, Path, float], None], clock: Callable[[], float]
    ) -> None:
        self.connections: set[TcpPath] = set()
        self._unproved: deque[TcpPath] = deque()
        self._take = take
        self._clock = clock
        self._server: asyncio.Server | None = None

    async def start(self, address: str, port: int) -> None:
        """Raises :exc:`OSError` when the port cannot be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, address, port)

    async def aclose(self) -> None:
        if self._server is not None:
            self._server.close()
        for path in list(self.connections):
            path.close()
        if self._server is not None:
            await self._server.wait_closed()

    def opened(self, path: TcpPath) -> None:
        self.connections.add(path)
        self._unproved = deque(one for one in self._unproved if one.receiver is None)
        self._unproved.append(path)
        if len(self._unproved) > UNPROVED:
            self._unproved.popleft().close()

    def closed(self, path: TcpPath) -> None:
        self.connections.discard(path)
        if path in self._unproved:
            self._unproved.remove(path)

    def _connection(self) -> TcpPath:
        return TcpPath(self, self._take, self._clock)


class TcpPath(asyncio.Protocol):
    """One connection, as a path of datagrams."""

    def __init__(
        self,
        listener: TcpListener,
        take: Callable[[bytes, Path, float], None],
        clock: Callable[[], float],
    ) -> None:
        self.receiver: Receiver | None = None
        self.unsent = 0
        self._listener = listener
        self._take = take
        self._clock = clock
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._proof: asyncio.TimerHandle | None = None

    @property
    def address(self) -> tuple[str, int]:
        peer = self._transport.get_extra_info("peername") if self._transport else None
        return (peer[0], peer[1]) if peer else ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._proof = asyncio.get_running_loop().call_later(PROOF_S, self._want_proof)
        self._listener.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._proof is not None:
            self._proof.cancel()
        self._transport = None
        self._listener.closed(self)
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.on_path_closed(self)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        now, at = self._clock(), 0
        while len(buffer) - at >= 2:
            size = buffer[at] << 8 | buffer[at + 1]
            if size > FRAME_BYTES:
                self.close()
                return
            if len(buffer) - at - 2 < size:
                break
            if size:
                self._take(bytes(buffer[at + 2 : at + 2 + size]), self, now)
            at += 2 + size
        del buffer[:at]

    def send(self, datagram: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > UNSENT_BYTES:
            self.unsent += 1
            return
        transport.write(len(datagram).to_bytes(2, "big") + datagram)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _want_proof(self) -> None:
        if self.receiver is None:
            self.close()

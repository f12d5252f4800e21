"""One port for all calls: who gets which datagram, and what strangers cost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.rtc.sockets import PATHS, MediaSockets, Path
from gateway.rtc.udp import UdpPath
from tests.gateway.rtc.stun_samples import check as make_check
from tests.support.leaks import nothing_left

pytestmark = [pytest.mark.integration, pytest.mark.timeout(30)]

PWD = "a" * 22


class Call:
    """A receiver that believes every check, unless told otherwise."""

    def __init__(self, *, believes: bool = True) -> None:
        self.believes = believes
        self.checks: list[Path] = []
        self.datagrams: list[bytes] = []
        self.paths: list[Path] = []
        self.closed: list[Path] = []

    def on_check(self, datagram: bytes, path: Path, now: float) -> bool:
        self.checks.append(path)
        return self.believes

    def on_datagram(self, datagram: bytes, path: Path, now: float) -> None:
        self.datagrams.append(datagram)
        self.paths.append(path)

    def on_path_closed(self, path: Path) -> None:
        self.closed.append(path)


@contextlib.asynccontextmanager
async def open_sockets(*addresses: str, **options: Any) -> AsyncIterator[MediaSockets]:
    async with nothing_left():
        sockets = MediaSockets(addresses or ("127.0.0.1",), **options)
        await sockets.start()
        try:
            yield sockets
        finally:
            await sockets.aclose()


@contextlib.contextmanager
def client(host: str = "127.0.0.1") -> Any:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.bind((host, 0))
        yield udp


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def check(ufrag: str) -> bytes:
    return make_check(f"{ufrag}:them", PWD)


async def test_a_check_proves_its_address_and_then_datagrams_come() -> None:
    async with open_sockets() as sockets:
        call, other = Call(), Call()
        sockets.add("ours", call)
        sockets.add("other", other)
        with client() as udp:
            at = ("127.0.0.1", sockets.port)
            udp.sendto(b"\x80early", at)
            await until(lambda: sockets.strangers == 1)
            udp.sendto(check("ours"), at)
            udp.sendto(b"\x80sound", at)
            await until(lambda: call.datagrams)
            assert call.datagrams == [b"\x80sound"]
            call.paths[0].send(b"answer")
            await until(lambda: _readable(udp))
            assert udp.recv(100) == b"answer"
            assert call.paths[0].address == udp.getsockname()
        assert not other.checks and not other.datagrams


def _readable(udp: socket.socket) -> bool:
    udp.setblocking(False)
    try:
        return bool(udp.recv(100, socket.MSG_PEEK))
    except BlockingIOError:
        return False


async def test_udp_and_tcp_have_one_port_number() -> None:
    async with open_sockets() as sockets:
        call = Call()
        sockets.add("ours", call)
        reader, writer = await asyncio.open_connection("127.0.0.1", sockets.port)
        with client() as udp:
            udp.sendto(check("ours"), ("127.0.0.1", sockets.port))
            for datagram in (check("ours"), b"\x80by tcp"):
                writer.write(struct.pack("!H", len(datagram)) + datagram)
            await until(lambda: call.datagrams and len(call.checks) == 2)
            call.paths[0].send(b"back")
            assert await reader.readexactly(6) == b"\0\4back"
        assert sockets.tcp_connections == 1
        writer.close()
        await until(lambda: call.closed == call.paths)


async def test_several_addresses_share_the_port() -> None:
    async with open_sockets("127.0.0.1", "::1", "127.0.0.2") as sockets:
        call = Call()
        sockets.add("ours", call)
        for address in sockets.addresses:
            with client(address) as udp:
                udp.sendto(check("ours"), (address, sockets.port))
                udp.sendto(b"\x80", (address, sockets.port))
                await until(lambda: call.datagrams)
                assert call.paths[-1].address == udp.getsockname()[:2]
                call.datagrams.clear()


async def test_a_check_that_proves_nothing_opens_nothing() -> None:
    async with open_sockets() as sockets:
        call = Call(believes=False)
        sockets.add("ours", call)
        with client() as udp:
            udp.sendto(check("ours"), ("127.0.0.1", sockets.port))
            udp.sendto(b"\x80sound", ("127.0.0.1", sockets.port))
            await until(lambda: sockets.strangers)
        assert call.checks and not call.datagrams
        assert not sockets._sockets[0].paths


async def test_a_flood_of_strangers_costs_no_memory() -> None:
    async with open_sockets() as sockets:
        call = Call()
        sockets.add("ours", call)
        (udp,) = sockets._sockets
        noise = itertools.cycle(
            (b"", b"\0", check("nobody"), check("ours")[:-4], b"\x80" * 40, b"\x16" * 99, b"\xff")
        )
        errors: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(client()) for _ in range(50)]
            for number in range(5000):
                clients[number % 50].sendto(next(noise), ("127.0.0.1", sockets.port))
                if number % 100 == 99:
                    await until(lambda n=number: sockets.strangers > n)
        assert sockets.strangers == 5000 and not errors
        assert not udp.paths
        assert (len(sockets._receivers), len(sockets._paths)) == (1, 1)
        assert not sockets._paths[call] and not call.checks


async def test_empty_datagrams_of_the_peer_do_no_harm() -> None:
    async with open_sockets() as sockets:
        call = Call()
        sockets.add("ours", call)
        errors: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        with client() as udp:
            for datagram in (check("ours"), b"", b"\x80sound"):
                udp.sendto(datagram, ("127.0.0.1", sockets.port))
            await until(lambda: call.datagrams)
        assert call.datagrams == [b"\x80sound"] and not errors


async def test_the_oldest_of_too_many_paths_is_forgotten() -> None:
    async with open_sockets() as sockets:
        call = Call()
        sockets.add("ours", call)
        (udp,) = sockets._sockets
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(client()) for _ in range(PATHS + 3)]
            for number, one in enumerate(clients):
                one.sendto(check("ours"), ("127.0.0.1", sockets.port))
                await until(lambda n=number: len(call.checks) == n + 1)
            assert len(udp.paths) == len(sockets._paths[call]) == PATHS
            clients[0].sendto(b"\x80", ("127.0.0.1", sockets.port))
            await until(lambda: sockets.strangers == 1)
            clients[-1].sendto(b"\x80", ("127.0.0.1", sockets.port))
            await until(lambda: call.datagrams)
            clients[0].sendto(check("ours"), ("127.0.0.1", sockets.port))  # it may come back
            clients[0].sendto(b"\x81", ("127.0.0.1", sockets.port))
            await until(lambda: b"\x81" in call.datagrams)
            assert len(udp.paths) == PATHS


async def test_what_is_removed_is_a_stranger_again() -> None:
    async with open_sockets() as sockets:
        call = Call()
        sockets.add("ours", call)
        sockets.add("newer", call)
        reader, writer = await asyncio.open_connection("127.0.0.1", sockets.port)
        with client() as udp:
            at = ("127.0.0.1", sockets.port)
            datagram = check("ours")
            writer.write(struct.pack("!H", len(datagram)) + datagram)
            udp.sendto(datagram, at)
            await until(lambda: len(call.checks) == 2)
            sockets.remove("ours", "unknown")
            udp.sendto(b"\x80", at)
            await until(lambda: call.datagrams)  # it still has the other name
            sockets.remove("newer")
            assert not sockets._receivers and not sockets._paths
            assert not sockets._sockets[0].paths
            assert await reader.read() == b""  # closed
            udp.sendto(b"\x81", at)
            udp.sendto(check("ours"), at)
            await until(lambda: sockets.strangers == 2)
        assert call.datagrams == [b"\x80"] and not call.closed
        writer.close()


async def test_a_call_that_ends_at_a_check_keeps_no_path() -> None:
    async with open_sockets() as sockets:

        class Last(Call):
            def on_check(self, datagram: bytes, path: Path, now: float) -> bool:
                sockets.remove("ours")
                return super().on_check(datagram, path, now)

        call = Last()
        sockets.add("ours", call)
        with client() as udp:
            udp.sendto(check("ours"), ("127.0.0.1", sockets.port))
            await until(lambda: call.checks)
        assert not sockets._sockets[0].paths and not sockets._paths


async def test_an_address_may_go_over_to_another_call() -> None:
    async with open_sockets() as sockets:
        first, second = Call(), Call()
        sockets.add("first", first)
        sockets.add("second", second)
        with client() as udp:
            at = ("127.0.0.1", sockets.port)
            for datagram in (check("first"), b"\x80one", check("second"), b"\x80two"):
                udp.sendto(datagram, at)
            await until(lambda: second.datagrams)
            assert (first.datagrams, second.datagrams) == ([b"\x80one"], [b"\x80two"])
            sockets.remove("first")
            udp.sendto(b"\x80three", at)
            await until(lambda: len(second.datagrams) == 2)


async def test_a_port_that_is_taken_is_said_and_nothing_stays_open() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with nothing_left():
            with pytest.raises(OSError):
                await MediaSockets(("127.0.0.1",), taken.getsockname()[1]).start()


async def test_another_port_is_tried_when_tcp_cannot_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    create_server, refused = loop.create_server, []

    async def create(factory: Any, address: str, port: int) -> Any:
        if len(refused) < 3:
            refused.append(port)
            raise OSError("taken")
        return await create_server(factory, address, port)

    monkeypatch.setattr(loop, "create_server", create)
    async with open_sockets() as sockets:
        assert len(refused) == 3 and sockets.port > 0
        with client() as udp:
            udp.sendto(b"\x80", ("127.0.0.1", sockets.port))
            await until(lambda: sockets.strangers)


async def test_what_the_system_does_not_take_is_counted() -> None:
    async with open_sockets(tcp=False) as sockets:
        path = UdpPath(sockets._sockets[0], ("127.0.0.1", 9))
        path.send(os.urandom(70_000))
        assert sockets.unsent == 1
        path.send(b"x")  # nobody listens there: an ICMP error comes back
        with client() as udp:
            udp.sendto(b"\x80", ("127.0.0.1", sockets.port))
            await until(lambda: sockets.strangers)

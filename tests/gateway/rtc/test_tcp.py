"""Datagrams in a stream: cut at every place, too large, too slow, too many."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import time
from collections.abc import AsyncIterator

import pytest

from gateway.rtc import tcp as module
from gateway.rtc.sockets import Path
from gateway.rtc.tcp import FRAME_BYTES, UNPROVED, UNSENT_BYTES, TcpListener, TcpPath
from tests.gateway.rtc.test_sockets import Call, until
from tests.support.leaks import nothing_left

pytestmark = [pytest.mark.integration, pytest.mark.timeout(30)]


class Heard:
    """Takes datagrams of a listener; ``proves`` gives each path a call at its first."""

    def __init__(self, *, proves: bool = True) -> None:
        self.call = Call() if proves else None
        self.datagrams: list[bytes] = []
        self.paths: list[TcpPath] = []

    def take(self, datagram: bytes, path: Path, now: float) -> None:
        assert isinstance(path, TcpPath)
        path.receiver = self.call
        self.datagrams.append(datagram)
        if path not in self.paths:
            self.paths.append(path)


@contextlib.asynccontextmanager
async def listening(heard: Heard) -> AsyncIterator[tuple[TcpListener, int]]:
    async with nothing_left():
        listener = TcpListener(heard.take, time.monotonic)
        await listener.start("127.0.0.1", 0)
        assert listener._server is not None
        try:
            yield listener, listener._server.sockets[0].getsockname()[1]
        finally:
            await listener.aclose()


def framed(*datagrams: bytes) -> bytes:
    return b"".join(struct.pack("!H", len(one)) + one for one in datagrams)


async def test_frames_are_found_however_the_stream_is_cut() -> None:
    chance = random.Random(3)
    datagrams = [bytes([n]) * chance.choice((1, 2, 100, 1200, FRAME_BYTES)) for n in range(60)]
    stream = framed(*datagrams)
    heard = Heard()
    async with listening(heard) as (_, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        for byte in stream[:40]:
            writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        at = 40
        while at < len(stream):
            size = chance.choice((1, 2, 3, 50, 5000))
            writer.write(stream[at : at + size])
            at += size
            await asyncio.sleep(0)
        await until(lambda: len(heard.datagrams) == 60)
        assert heard.datagrams == datagrams
        assert not heard.paths[0]._buffer
        writer.close()


def test_a_read_is_cut_at_every_place_without_a_socket() -> None:
    heard = Heard()
    stream = framed(b"one", b"", b"t", b"three" * 60)
    for cut in range(len(stream)):
        heard.datagrams.clear()
        path = TcpPath(TcpListener(heard.take, time.monotonic), heard.take, time.monotonic)
        path.data_received(stream[:cut])
        path.data_received(stream[cut:])
        assert heard.datagrams == [b"one", b"t", b"three" * 60]  # empty ones say nothing


async def test_many_frames_in_one_read() -> None:
    heard = Heard()
    async with listening(heard) as (_, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(*[b"x"] * 5000))
        await until(lambda: len(heard.datagrams) == 5000)
        writer.close()


async def test_a_frame_that_is_too_large_closes() -> None:
    heard = Heard()
    async with listening(heard) as (listener, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(b"good") + struct.pack("!H", FRAME_BYTES + 1) + framed(b"behind"))
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        await until(lambda: not listener.connections)
        assert heard.datagrams == [b"good"]
        assert heard.call is not None and heard.call.closed == heard.paths
        writer.close()


async def test_zero_length_frames_say_nothing_and_prove_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PROOF_S", 0.1)
    heard = Heard()
    async with listening(heard) as (listener, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(bytes(2000))
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert not heard.datagrams and not listener.connections
        writer.close()


@pytest.mark.parametrize("says", [b"", framed(b"noise"), b"\x0f"])
async def test_who_proves_nothing_is_closed(monkeypatch: pytest.MonkeyPatch, says: bytes) -> None:
    monkeypatch.setattr(module, "PROOF_S", 0.1)
    async with listening(Heard(proves=False)) as (listener, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(says)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        await until(lambda: not listener.connections and not listener._unproved)
        writer.close()


async def test_who_has_proved_itself_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROOF_S", 0.05)
    heard = Heard()
    async with listening(heard) as (listener, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(b"check"))
        await until(lambda: heard.datagrams)
        await asyncio.sleep(0.15)
        writer.write(framed(b"more"))
        await until(lambda: len(heard.datagrams) == 2)
        assert len(listener.connections) == 1
        writer.close()


async def test_of_too_many_that_wait_the_oldest_goes() -> None:
    heard = Heard()
    async with listening(heard) as (listener, port):
        proved = await asyncio.open_connection("127.0.0.1", port)
        proved[1].write(framed(b"check"))
        await until(lambda: heard.datagrams)
        waiting = []
        for number in range(UNPROVED + 20):
            waiting.append(await asyncio.open_connection("127.0.0.1", port))
            await until(lambda n=number: len(listener._unproved) >= min(n + 1, UNPROVED))
        await until(lambda: len(listener.connections) == UNPROVED + 1)
        assert len(listener._unproved) == UNPROVED
        with contextlib.suppress(ConnectionError):
            assert await waiting[0][0].read() == b""
        waiting[-1][1].write(framed(b"last"))
        proved[1].write(framed(b"proved"))
        await until(lambda: len(heard.datagrams) == 3)
        for _, writer in (proved, *waiting):
            writer.close()


async def test_a_slow_reader_costs_datagrams_and_no_memory() -> None:
    heard = Heard()
    async with listening(heard) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(framed(b"check"))
        await until(lambda: heard.paths)
        (path,) = heard.paths
        for _ in range(40_000):
            path.send(bytes(1200))
        assert path.unsent > 10_000
        assert path._transport is not None
        assert path._transport.get_write_buffer_size() <= UNSENT_BYTES + 1202
        size = struct.unpack("!H", await reader.readexactly(2))[0]  # frames stay whole
        assert await reader.readexactly(size) == bytes(1200)
        writer.close()
        await until(lambda: path._transport is None)
        path.send(b"too late")
        assert path.address == ("", 0)

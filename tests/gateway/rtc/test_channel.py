"""The data channel against aiortc's own SCTP on the other side, and against who means harm."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from aiortc import RTCDataChannel, RTCDataChannelParameters
from aiortc.rtcsctptransport import (
    SCTP_DATA_FIRST_FRAG,
    SCTP_DATA_LAST_FRAG,
    WEBRTC_DCEP,
    WEBRTC_STRING,
    DataChunk,
    serialize_packet,
)

from gateway.rtc import channel as module
from gateway.rtc.channel import EventsChannel, SctpAssociation
from tests.gateway.rtc.test_guard import sack
from tests.support.leaks import nothing_left
from tests.support.raw_peer import RawSctp

pytestmark = [pytest.mark.unit, pytest.mark.timeout(30)]

WHOLE = SCTP_DATA_FIRST_FRAG | SCTP_DATA_LAST_FRAG


class Pair:
    """Ours and aiortc's, and the wire between them."""

    def __init__(self, *, is_server: bool) -> None:
        self.heard: list[str | bytes] = []
        self.events = EventsChannel(self.heard.append)
        self.to_peer: list[bytes] = []
        self.peer = RawSctp(is_server=not is_server)
        self.ours = SctpAssociation(
            is_dtls_server=is_server,
            remote_port=5000,
            max_message_bytes=262_144,
            send_packet=self.to_peer.append,
            on_channel=self.events.accept,
        )
        self.lose: Callable[[], bool] = lambda: False

    async def carry(self) -> bool:
        """What each has said goes to the other; whether that was anything."""
        to_ours, to_peer = self.peer.taken(), self.to_peer[:]
        self.to_peer.clear()
        for packet in to_ours:
            self.ours.receive(packet)
        for packet in to_peer:
            await self.peer.transport._handle_data(packet)
        await asyncio.sleep(0)
        return bool(to_ours or to_peer)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await self.carry()

    async def settle(self) -> None:
        quiet = 0
        while quiet < 3:
            quiet = 0 if await self.carry() else quiet + 1

    def open(self, label: str = "events") -> RTCDataChannel:
        return RTCDataChannel(self.peer.transport, RTCDataChannelParameters(label=label))

    async def opened(self) -> RTCDataChannel:
        channel = self.open()
        await self.until(lambda: channel.readyState == "open")
        return channel

    def data(self, tsn: int, data: bytes, *, flags: int = WHOLE, **fields: int) -> bytes:
        """A packet with one DATA chunk, the ``tsn``-th from now on."""
        chunk = DataChunk(flags=flags)
        chunk.tsn = (self.peer.transport._local_tsn + tsn) & 0xFFFFFFFF
        chunk.stream_id = fields.get("stream_id", 0)
        chunk.stream_seq = fields.get("stream_seq", 0)
        chunk.protocol = fields.get("protocol", WEBRTC_STRING)
        chunk.user_data = data
        tag = self.ours._sctp._local_verification_tag
        return serialize_packet(5000, 5000, tag, chunk)


@contextlib.asynccontextmanager
async def connected(*, is_server: bool = True) -> AsyncIterator[Pair]:
    async with nothing_left():
        pair = Pair(is_server=is_server)
        await pair.peer.start()
        pair.ours.start()
        await pair.until(lambda: pair.peer.transport.state == "connected")
        await pair.settle()
        try:
            yield pair
        finally:
            pair.ours.close()
            await pair.peer.transport.stop()


@pytest.mark.parametrize("is_server", [True, False])
async def test_text_goes_both_ways_in_either_role(is_server: bool) -> None:
    async with connected(is_server=is_server) as pair:
        channel = await pair.opened()
        assert channel.id is not None and channel.id % 2 == (0 if is_server else 1)
        heard: list[str] = []
        channel.on("message", heard.append)
        channel.send("to us")
        channel.send(b"bytes")
        await pair.until(lambda: len(pair.heard) == 2)
        assert pair.heard == ["to us", b"bytes"]
        pair.events.send("to them")
        await pair.until(lambda: heard)
        assert heard == ["to them"]
        assert pair.ours.dropped == 0


@pytest.mark.parametrize("size", [1, 1200, 16_384, 65_535, 65_536])
async def test_large_messages_arrive_whole(size: int) -> None:
    async with connected() as pair:
        channel = await pair.opened()
        heard: list[str] = []
        channel.on("message", heard.append)
        text = os.urandom(size // 2 + 1).hex()[:size]
        pair.events.send(text)
        channel.send(text)
        await pair.until(lambda: heard and pair.heard)
        assert heard == pair.heard == [text]


async def test_one_channel_is_taken_and_others_are_closed() -> None:
    async with connected() as pair:
        first = await pair.opened()
        second, other = pair.open(), pair.open("else")
        await pair.until(lambda: (second.readyState, other.readyState) == ("closed", "closed"))
        assert first.readyState == "open"
        first.close()
        await pair.until(lambda: first.readyState == "closed")
        pair.events.send("nobody there")
        third = await pair.opened()  # now there is room again
        third.send("again")
        await pair.until(lambda: pair.heard)
        assert pair.heard == ["again"]


async def test_a_client_that_reads_nothing_costs_no_memory() -> None:
    async with connected() as pair:
        await pair.opened()
        for _ in range(1000):
            pair.events.send("x" * 10_000)
            pair.to_peer.clear()
        channel = pair.events._channel
        assert channel is not None
        assert channel.bufferedAmount <= module.UNSENT_LIMIT_BYTES + 10_000


async def test_a_message_that_the_client_cannot_take_is_dropped() -> None:
    async with connected() as pair:
        await pair.opened()
        pair.events.send("x" * 300_000)
        pair.events.send("\ud800")
        await pair.settle()


async def test_drained_waits_for_what_was_sent() -> None:
    async with connected() as pair:
        await pair.events.drained()  # no channel: nothing to wait for
        channel = await pair.opened()
        heard: list[str] = []
        channel.on("message", heard.append)
        for _ in range(20):
            pair.events.send("y" * 10_000)
        waiting = asyncio.create_task(pair.events.drained())
        await asyncio.sleep(0)
        assert not waiting.done()
        await pair.until(waiting.done)
        await pair.until(lambda: len(heard) == 20)


async def test_an_association_may_end_before_it_began_and_twice() -> None:
    async with nothing_left():
        pair = Pair(is_server=True)
        pair.ours.receive(b"x" * 20)
        assert pair.ours.dropped == 1
        pair.ours.close()
        pair.ours.close()
        pair = Pair(is_server=True)
        pair.ours.start()
        pair.ours.close()
        pair.ours.receive(sack())
        assert pair.ours.dropped == 1


async def test_an_end_is_told_to_the_other_side() -> None:
    async with connected() as pair:
        channel = await pair.opened()
        pair.ours.close()
        await pair.until(lambda: channel.readyState == "closed")


# What means harm


async def test_packets_that_would_be_read_for_ever_are_dropped() -> None:
    async with connected() as pair:
        channel = await pair.opened()
        hostile = [
            sack((1, 65_535)),
            struct.pack("!HHLLBBHHH", 5000, 5000, 1, 0, 4, 0, 8, 1, 0),
            sack((1, 3000)) + sack((1, 3000))[12:],  # each alone would do
            sack() + 65 * struct.pack("!BBHI", 11, 0, 8, 0),  # more chunks than anybody sends
            b"",
            b"\0" * 11,
        ]
        for packet in hostile:
            pair.ours.receive(packet)
        # The empty ones say nothing to aiortc either; the others never reached it.
        assert pair.ours.dropped >= 4
        channel.send("still here")
        await pair.until(lambda: pair.heard)


def fragments(pair: Pair) -> Iterator[bytes]:
    """Messages that begin and never end."""
    for tsn in range(5000):
        flags = 0 if tsn % 50 else SCTP_DATA_FIRST_FRAG
        yield pair.data(tsn, b"x" * 1100, flags=flags, stream_id=tsn % 8)


def tiny_fragments(pair: Pair) -> Iterator[bytes]:
    return (pair.data(n, b"x", flags=0 if n else SCTP_DATA_FIRST_FRAG) for n in range(5000))


def holes(pair: Pair) -> Iterator[bytes]:
    return (pair.data(2 * n + 1, b"x") for n in range(5000))


def streams(pair: Pair) -> Iterator[bytes]:
    return (pair.data(n, b"x", stream_id=n + 2) for n in range(5000))


def channels(pair: Pair) -> Iterator[bytes]:
    request = struct.pack("!BBHLHH", 3, 0, 0, 0, 6, 0) + b"events"
    return (pair.data(n, request, stream_id=2 * n, protocol=WEBRTC_DCEP) for n in range(5000))


@pytest.mark.parametrize("attack", [fragments, tiny_fragments, holes, streams, channels])
async def test_what_would_fill_the_memory_ends_the_association(
    attack: Callable[[Pair], Iterator[bytes]],
) -> None:
    async with connected() as pair:
        sctp: Any = pair.ours._sctp
        most = kept = 0
        for packet in attack(pair):
            pair.ours.receive(packet)
            pair.to_peer.clear()
            streams = sctp._inbound_streams.values()
            kept = sum(len(c.user_data) for s in streams for c in s.reassembly)
            kept += 100 * sum(len(s.reassembly) for s in streams) + 1000 * len(streams)
            kept += 2000 * len(sctp._data_channels) + 50 * len(sctp._sack_misordered)
            most = max(most, kept)
            if pair.ours._dtls.receiver is None:
                break
        assert pair.ours._dtls.receiver is None, "the association was aborted"
        assert most < 2_000_000
        assert pair.ours.dropped == 0
        pair.events.send("lost")


async def test_duplicates_and_bad_tags_keep_nothing() -> None:
    async with connected() as pair:
        await pair.opened()
        packet = pair.data(0, b"once", stream_id=0, stream_seq=0)
        for _ in range(300):
            pair.ours.receive(packet)
            pair.ours.receive(packet[:4] + b"\0\0\0\1" + packet[8:])
        sctp: Any = pair.ours._sctp
        assert len(sctp._sack_duplicates) <= 1 and not sctp._sack_misordered

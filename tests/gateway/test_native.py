"""A native peer between a raw WebRTC client and a playout: talkspurts, streams, formats."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.downlink import PlayoutBuffer, PlayoutEvent
from gateway.media.codecs import make_encoder
from gateway.native import AHEAD_S, TAIL_FRAMES, NativeEngine, NativePeer
from gateway.peer import DOWNLINK_FRAME_BYTES
from gateway.rtc import rtp
from tests.support.leaks import nothing_left
from tests.support.raw_peer import OPUS, RawPeer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(30)]

FRAME = bytes(DOWNLINK_FRAME_BYTES)
PCM_FRAME_BYTES = 640


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


class Listener:
    def __init__(self) -> None:
        self.connected = 0
        self.pcm: list[bytes] = []
        self.messages: list[str | bytes] = []
        self.gone: list[bool] = []

    def on_connected(self) -> None:
        self.connected += 1

    def on_audio(self, pcm: bytes) -> None:
        self.pcm.append(pcm)

    def on_message(self, message: str | bytes) -> None:
        self.messages.append(message)

    def on_gone(self, *, hung_up: bool) -> None:
        self.gone.append(hung_up)


class Call:
    """One native peer, its client, and a clock that stands still until it is moved."""

    def __init__(self, engine: NativeEngine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock
        self.client = RawPeer()
        self.listener = Listener()
        self.events: list[PlayoutEvent] = []
        self.playout = PlayoutBuffer(self.events.append)
        self.peer: NativePeer = engine.make_peer(self.listener, self.playout)

    async def connect(self, **offer: Any) -> None:
        self.client.take(await self.peer.answer(self.client.offer(**offer)))
        self.client.connect(self.engine.sockets, self.clock.now)
        assert self.listener.connected == 1

    def say(self, frames: int, *, finish: bool = True) -> None:
        """The model has so much to say."""
        self.playout.push(FRAME * frames)
        if finish:
            self.playout.finish()
        self.peer.wake()

    def run(self, seconds: float) -> None:
        """Move the clock and let the pacer play what is due."""
        end = self.clock.now + seconds
        pacer = self.engine.pacer
        while pacer._due and pacer._due[0][0] <= end:
            self.clock.now = max(self.clock.now, pacer._due[0][0])
            pacer._wake()
        self.clock.now = end

    def heard(self) -> list[tuple[int, bool, int, int, int]]:
        """Type, marker, sequence, timestamp and payload size of what the client got."""
        self.client.exchange(self.engine.sockets, self.clock.now)
        packets, self.client.rtp_heard = self.client.rtp_heard, []
        headers = [rtp.parse(packet) for packet in packets]
        return [(h[0], h[1], h[2], h[3], h[6] - h[5]) for h in headers if h is not None]

    def send(self, datagram: bytes) -> None:
        self.engine.sockets.take(datagram, self.client.path, self.clock.now)


@contextlib.asynccontextmanager
async def calls(count: int = 1, **offer: Any) -> AsyncIterator[list[Call]]:
    async with nothing_left():
        clock = Clock()
        engine = NativeEngine(["127.0.0.1"], 0, clock=clock)
        await engine.start()
        made = [Call(engine, clock) for _ in range(count)]
        try:
            for number, call in enumerate(made):
                call.client.path._address = ("192.0.2.9", 4000 + number)
                await call.connect(**offer)
            yield made
        finally:
            for call in made:
                await call.peer.aclose()
                await call.peer.aclose()
            await engine.aclose()


async def test_only_the_first_packet_of_a_talkspurt_is_marked() -> None:
    async with calls() as (call,):
        call.say(5)
        call.run(2)
        packets = call.heard()
        assert len(packets) == 5 + TAIL_FRAMES
        assert [marker for _, marker, *_ in packets] == [True] + [False] * (len(packets) - 1)
        assert {packet[0] for packet in packets} == {OPUS}
        assert call.events == [PlayoutEvent.STARTED, PlayoutEvent.DRAINED]
        call.run(5)
        assert not call.heard(), "silence is not sent"


async def test_timestamps_run_on_over_silence_and_sequence_numbers_do_not() -> None:
    async with calls() as (call,):
        call.say(3)
        call.run(1.0)
        call.say(3)
        call.run(1.0)
        packets = call.heard()
        count = 3 + TAIL_FRAMES
        assert len(packets) == 2 * count
        first, second = packets[:count], packets[count:]
        for spurt in (first, second):
            steps = [(b[3] - a[3]) & 0xFFFFFFFF for a, b in zip(spurt, spurt[1:], strict=False)]
            assert steps == [960] * (count - 1)
        assert second[0][1]
        assert (second[0][3] - first[0][3]) & 0xFFFFFFFF == pytest.approx(48_000, abs=2)
        numbers = [packet[2] for packet in packets]
        assert all(b - a == 1 for a, b in zip(numbers, numbers[1:], strict=False))


async def test_a_pause_in_a_reply_is_filled_and_goes_on_in_the_same_talkspurt() -> None:
    async with calls() as (call,):
        call.say(2, finish=False)
        call.run(0.1)  # the model is late: silence is sent
        call.say(2)
        call.run(1)
        packets = call.heard()
        assert sum(marker for _, marker, *_ in packets) == 1
        assert len(packets) > 4 + TAIL_FRAMES
        assert call.events == [PlayoutEvent.STARTED, PlayoutEvent.DRAINED]


async def test_one_timer_serves_all_calls() -> None:
    async with calls(5) as made:
        for call in made:
            call.clock.now += 0.003
            call.say(10)
        loop: Any = asyncio.get_running_loop()
        wake = made[0].engine.pacer._wake
        timers = [t for t in loop._scheduled if not t._cancelled and t._callback == wake]
        assert len(timers) == 1
        made[0].run(1)
        assert all(len(call.heard()) == 10 + TAIL_FRAMES for call in made)


async def test_nothing_leaves_before_the_client_is_connected() -> None:
    async with nothing_left():
        clock = Clock()
        engine = NativeEngine(["127.0.0.1"], 0, clock=clock)
        await engine.start()
        call = Call(engine, clock)
        call.client.take(await call.peer.answer(call.client.offer()))
        call.say(3)
        assert not engine.pacer._due and not call.events
        call.client.connect(engine.sockets, clock.now)
        call.run(1)
        assert len(call.heard()) == 3 + TAIL_FRAMES
        await call.peer.aclose()
        await engine.aclose()


async def test_a_client_that_only_sends_is_told_of_the_end_and_sent_nothing() -> None:
    async with calls(direction="sendonly") as (call,):
        call.say(4)
        call.run(1)
        assert call.events == [PlayoutEvent.STARTED, PlayoutEvent.DRAINED]
        assert not call.heard()


async def test_an_interruption_leaves_only_the_tail() -> None:
    async with calls() as (call,):
        call.say(500)
        call.run(0.1)
        before = len(call.heard())
        call.playout.clear()
        call.run(1)
        assert len(call.heard()) == TAIL_FRAMES
        assert 5 <= before <= 6


async def test_what_the_client_says_is_decoded_in_order() -> None:
    async with calls() as (call,):
        encode = make_encoder("opus").encode
        for number in range(10):
            call.send(call.client.rtp(encode(FRAME), ticks=number * 960))
            call.clock.now += 0.02
        assert [len(pcm) for pcm in call.listener.pcm] == [PCM_FRAME_BYTES] * 10
        assert call.peer.counters()["rtp_received"] == 10


async def test_a_codec_of_the_offer_may_be_used_at_any_time() -> None:
    async with calls() as (call,):
        call.send(call.client.rtp(ticks=0))
        call.send(call.client.rtp(b"\xff" * 160, payload_type=0, ticks=160))
        call.send(call.client.rtp(b"\xff" * 160, payload_type=77))  # never negotiated
        assert [len(pcm) for pcm in call.listener.pcm] == [PCM_FRAME_BYTES] * 2
        assert call.peer.counters()["packets_dropped"] == 1


async def test_two_streams_at_once_are_one_microphone() -> None:
    async with calls() as (call,):
        other = rtp.RtpWriter()
        for number in range(20):
            call.send(call.client.rtp(ticks=number * 960))
            packet = other.packet(b"\xd8\xff\xfe", OPUS, number * 960, marker=False)
            call.send(call.client.srtp.protect(packet))
            call.clock.now += 0.02
        assert len(call.listener.pcm) == 20
        call.clock.now += 0.3  # the first falls silent: the other takes over
        for number in range(20, 30):
            packet = other.packet(b"\xd8\xff\xfe", OPUS, number * 960, marker=False)
            call.send(call.client.srtp.protect(packet))
            call.clock.now += 0.02
        assert len(call.listener.pcm) == 30


async def test_holes_that_a_client_makes_up_give_no_more_sound_than_time_has() -> None:
    async with calls() as (call,):
        begin = call.clock.now
        for number in range(0, 20_000, 50):  # each hole asks for a second of silence
            call.client.writer._sequence = number
            call.send(call.client.rtp(ticks=number * 960))
            call.clock.now += 0.0025
            if call.peer._receiver is not None and number % 500 == 0:
                call.peer._give_up()
        passed_s = call.clock.now - begin
        heard_s = sum(map(len, call.listener.pcm)) / 32_000
        assert heard_s < 1.2 * (passed_s + AHEAD_S) + 0.1
        assert call.peer.excess_bytes > 32_000 * 10


async def test_another_codec_after_a_renegotiation_is_a_talkspurt_of_its_own() -> None:
    async with calls() as (call,):
        call.say(50)
        call.run(0.1)
        call.heard()
        offer = call.client.offer().replace(f"SAVPF {OPUS} 0", f"SAVPF 0 {OPUS}")
        await call.peer.renegotiate(offer)
        call.run(0.2)
        packets = call.heard()
        assert {packet[0] for packet in packets} == {0}
        assert [marker for _, marker, *_ in packets] == [True] + [False] * (len(packets) - 1)
        assert {(b[3] - a[3]) & 0xFFFFFFFF for a, b in zip(packets, packets[1:], strict=False)} == {
            160
        }
        call.run(0.2)
        assert {packet[4] for packet in call.heard()} == {160}


async def test_a_closed_peer_plays_and_hears_nothing() -> None:
    async with calls() as (call,):
        call.say(50)
        call.run(0.05)
        datagram = call.client.rtp()
        await call.peer.aclose()
        call.heard()
        call.run(1)
        call.send(datagram)
        call.peer.wake()
        assert not call.heard() and not call.listener.pcm
        assert call.client.dtls.closed_by_peer
        assert struct.unpack_from("!BB", call.client.rtcp_heard[-1])[1] in (200, 201)

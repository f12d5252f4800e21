"""A whole endpoint: with aiortc on real sockets, and with a peer that does what it should not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import aioice.ice
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpRrPacket

from gateway.errors import BadFragment, BadOffer, NoCommonCodec
from gateway.rtc import dtls as dtls_module
from gateway.rtc import endpoint as module
from gateway.rtc.candidates import candidate_lines
from gateway.rtc.certificate import Certificate
from gateway.rtc.endpoint import CHECKS_PER_S, PACKETS_PER_S, Endpoint, Place
from gateway.rtc.ice import LOST_S
from gateway.rtc.sockets import MediaSockets
from tests.support.leaks import nothing_left
from tests.support.raw_peer import OPUS, MemoryPath, RawPeer, RawSctp, Told, field, make_call

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

OURS = Certificate()
FRAGMENT = "a=ice-ufrag:{0}\r\na=ice-pwd:{1}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Call:
    """An endpoint and a raw peer; datagrams go through the sockets' own doors, time stands."""

    def __init__(self, sockets: MediaSockets, clock: Clock) -> None:
        self.sockets, self.clock = sockets, clock
        self.peer = RawPeer()

    async def answer(self, *, setup: str = "actpass", **offer: Any) -> Call:
        self.peer.setup = setup
        self.endpoint, self.told = await make_call(
            self.sockets, OURS, self.peer, self.clock, **offer
        )
        return self

    def connect(self) -> Call:
        self.peer.connect(self.sockets, self.clock.now)
        assert self.told.connected == 1
        return self

    def send(self, *datagrams: bytes, path: MemoryPath | None = None) -> None:
        for datagram in datagrams:
            self.sockets.take(datagram, path or self.peer.path, self.clock.now)

    def exchange(self) -> None:
        self.peer.exchange(self.sockets, self.clock.now)


@contextlib.asynccontextmanager
async def ready() -> AsyncIterator[Call]:
    async with nothing_left():
        sockets = MediaSockets(("127.0.0.1",))
        call = Call(sockets, Clock())
        try:
            yield call
        finally:
            call.endpoint.close()
            call.endpoint.close()
            assert not sockets._receivers and not sockets._paths


async def until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


# With aiortc


class Real:
    """An aiortc peer and an endpoint on sockets of this machine."""

    def __init__(self, sockets: MediaSockets) -> None:
        self.told = Told()
        lines = tuple(candidate_lines(sockets.addresses, sockets.port, public_ip=None, tcp=True))
        self.endpoint = Endpoint(Place(sockets, OURS, lines), self.told)
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.addTrack(AudioStreamTrack())
        self.channel = self.pc.createDataChannel("events")
        self.heard: list[str] = []
        self.channel.on("message", self.heard.append)

    async def call(self, change: Callable[[str], str] = lambda sdp: sdp) -> None:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        answer = self.endpoint.answer(change(self.pc.localDescription.sdp))
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@contextlib.asynccontextmanager
async def real_peer() -> AsyncIterator[Real]:
    async with nothing_left():
        sockets = MediaSockets(("127.0.0.1",))
        await sockets.start()
        made = Real(sockets)
        try:
            yield made
        finally:
            await made.pc.close()
            made.endpoint.close()
            await sockets.aclose()


async def test_aiortc_connects_and_is_heard_and_answered() -> None:
    async with real_peer() as real:
        await real.call()
        await until(lambda: real.told.connected and len(real.told.rtp) > 5)
        kinds = {packet[0] for packet in real.told.rtp}
        assert len(kinds) == 1 and all(packet[4] for packet in real.told.rtp)
        await until(lambda: real.channel.readyState == "open")
        real.channel.send("hello")
        await until(lambda: real.told.messages == ["hello"])
        real.endpoint.send("welcome")
        await until(lambda: real.heard == ["welcome"])
        (kind,) = kinds
        for number in range(20):
            real.endpoint.send_rtp(b"\xd8\xff\xfe", kind, number * 960, marker=not number)
        track: Any = real.pc.getReceivers()[0].track
        frame = await asyncio.wait_for(track.recv(), 20)
        assert frame.samples == 960
        await real.pc.close()
        await until(lambda: real.told.gone == [True])


async def test_a_goodbye_of_ours_closes_aiortc() -> None:
    async with real_peer() as real:
        await real.call()
        await until(lambda: real.channel.readyState == "open")
        real.endpoint.close()
        await until(lambda: real.pc.connectionState == "closed")
        assert real.told.gone == [], "who closes is not told"


async def test_a_wrong_fingerprint_ends_in_bounded_time() -> None:
    async with real_peer() as real:

        def wrong(sdp: str) -> str:
            lines = [
                "a=fingerprint:sha-256 " + ":".join(["00"] * 32)
                if line.startswith("a=fingerprint:sha-256")
                else line
                for line in sdp.split("\r\n")
                if not line.startswith(("a=fingerprint:sha-384", "a=fingerprint:sha-512"))
            ]
            return "\r\n".join(lines)

        await real.call(wrong)
        await until(lambda: real.told.gone, 10)
        assert real.told.gone == [False] and not real.told.connected


# By hand


@pytest.mark.parametrize("setup", ["actpass", "active", "passive"])
async def test_either_dtls_role_connects(setup: str) -> None:
    async with ready() as call:
        (await call.answer(setup=setup)).connect()
        call.send(call.peer.rtp(b"sound", ticks=960))
        ((kind, ssrc, _, timestamp, payload),) = call.told.rtp
        assert (kind, ssrc, payload) == (OPUS, call.peer.writer.ssrc, b"sound")
        assert (timestamp - call.peer.writer.timestamp_offset) & 0xFFFFFFFF == 960
        call.endpoint.send_rtp(b"reply", OPUS, 960, marker=True)
        call.exchange()
        assert call.peer.rtp_heard[0].endswith(b"reply")


@pytest.mark.parametrize("setup", ["actpass", "passive"])
async def test_data_close_behind_the_handshake_is_taken(setup: str) -> None:
    async with ready() as call:
        await call.answer(setup=setup)
        raw = RawSctp(is_server=not call.peer.dtls.is_client)
        await raw.start()
        (init,) = raw.taken()
        peer, path, now = call.peer, call.peer.path, call.clock.now
        call.send(peer.check())
        if peer.dtls.is_client:
            peer.dtls.start(now)
        while peer.dtls.state != "connected":
            call.send(*peer.dtls.outgoing())
            for datagram in path.taken():
                peer.hear(datagram, now)
        peer.dtls.send(init)
        call.send(b"".join(peer.dtls.outgoing()))  # in one datagram with what ends the handshake
        call.exchange()
        assert call.told.connected == 1
        assert any(packet[12] == 2 for packet in peer.packets), "INIT ACK"
        await raw.transport.stop()


async def test_replayed_and_tampered_packets_are_dropped_and_counted() -> None:
    async with ready() as call:
        (await call.answer()).connect()
        good = call.peer.rtp()
        call.send(good, good)
        assert (len(call.told.rtp), call.endpoint.dropped) == (1, 1)
        for at in range(len(good)):
            fresh = bytearray(call.peer.rtp())
            fresh[at] ^= 0x41 if at > 1 else 0x01
            call.send(bytes(fresh))
        assert len(call.told.rtp) == 1
        assert call.endpoint.dropped == 1 + len(good)
        call.send(good[:12], good[:11], b"\x80", b"\x80\xc8")
        report = call.peer.srtp.protect_rtcp(bytes(RtcpRrPacket(1)))
        call.send(report, report, report[:-1])
        assert call.endpoint.dropped == 1 + len(good) + 4 + 2
        assert call.endpoint._rtcp.reports_heard == 1


async def test_unknown_payload_types_and_bytes_are_dropped() -> None:
    async with ready() as call:
        (await call.answer()).connect()
        call.send(call.peer.rtp(payload_type=77), b"\x05x", b"\x7fx", b"\xc8x")
        assert not call.told.rtp and call.endpoint.dropped == 4
        call.send(call.peer.rtp(b"\xff" * 160, payload_type=0))
        assert call.told.rtp[0][0] == 0


async def test_nothing_is_heard_before_keys_exist() -> None:
    async with ready() as call:
        await call.answer()
        call.send(b"\x80" * 60)
        assert call.sockets.strangers == 1
        call.send(call.peer.check(), b"\x80" * 60)
        assert call.endpoint.dropped == 1
        call.endpoint.send_rtp(b"x", OPUS, 0, marker=True)
        call.endpoint.send("nobody")
        assert all(not 127 < datagram[0] < 192 for datagram in call.peer.path.taken())


async def test_a_flood_is_looked_at_only_in_part() -> None:
    async with ready() as call:
        (await call.answer()).connect()
        call.clock.now += 1
        for number in range(3 * PACKETS_PER_S):
            call.send(call.peer.rtp(ticks=number * 960))
        assert len(call.told.rtp) == PACKETS_PER_S
        assert call.endpoint.dropped == 2 * PACKETS_PER_S
        call.clock.now += 1
        call.send(call.peer.rtp())
        assert len(call.told.rtp) == PACKETS_PER_S + 1


async def test_a_flood_of_checks_is_answered_only_in_part_and_stops_no_media() -> None:
    async with ready() as call:
        (await call.answer()).connect()
        call.clock.now += 1
        call.peer.path.taken()
        call.send(*[call.peer.check() for _ in range(1000)], call.peer.rtp())
        assert len(call.peer.path.taken()) == CHECKS_PER_S
        assert len(call.told.rtp) == 1


async def test_a_handshake_is_not_disturbed_by_noise() -> None:
    async with ready() as call:
        await call.answer()
        call.send(call.peer.check())
        chance = random.Random(5)
        for _ in range(40):
            call.send(b"\x16\xfe\xfd" + chance.randbytes(60), chance.randbytes(20))
        call.clock.now += 1
        call.connect()


async def test_closing_says_goodbye_twice_over() -> None:
    async with ready() as call:
        (await call.answer()).connect()
        call.send(call.peer.rtp())
        call.endpoint.close()
        call.exchange()
        last = RtcpPacket.parse(call.peer.rtcp_heard[-1])
        assert isinstance(last[-1], RtcpByePacket)
        assert last[-1].sources == [call.endpoint._writer.ssrc]
        assert call.peer.dtls.closed_by_peer
        call.send(call.peer.check())
        assert not call.peer.path.taken() and call.told.gone == []


async def test_the_peers_goodbye_is_told_once() -> None:
    async with ready() as call:
        (await call.answer()).connect()
        call.peer.dtls.close()
        goodbye = call.peer.dtls.outgoing()
        call.send(*goodbye, *goodbye)
        assert call.told.gone == [True]


async def test_a_peer_that_falls_silent_is_lost_after_six_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    async with ready() as call:
        (await call.answer()).connect()
        await asyncio.sleep(0.05)
        call.clock.now += LOST_S - 0.1
        await asyncio.sleep(0.05)
        assert not call.told.gone
        call.send(call.peer.rtp())  # alive after all
        call.clock.now += LOST_S - 0.1
        call.send(
            b"\x80" * 50, b"\x16\xfe\xfd" * 20, struct.pack("!HH", 1, 0) * 5
        )  # proves nothing
        await asyncio.sleep(0.05)
        assert not call.told.gone
        call.clock.now += 0.2
        await until(lambda: call.told.gone)
        assert call.told.gone == [False]
        await asyncio.sleep(0.05)
        assert call.told.gone == [False]


async def test_a_handshake_that_stops_half_way_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    async with ready() as call:
        await call.answer()
        call.send(call.peer.check())
        with caplog.at_level("INFO"):
            call.clock.now += dtls_module.HANDSHAKE_S + 0.1
            await until(lambda: call.told.gone)
            await asyncio.sleep(0.1)
        assert call.told.gone == [False]
        assert caplog.text.count("DTLS failed") == 1, "said once"


async def test_reports_go_out_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.005)
    async with ready() as call:
        (await call.answer()).connect()
        for number in range(4):
            call.send(call.peer.rtp(ticks=number * 960))
            call.clock.now += 1.6
            before = len(call.peer.rtcp_heard)
            await asyncio.sleep(0.03)
            call.exchange()
            assert len(call.peer.rtcp_heard) == before + 1
        report = RtcpPacket.parse(call.peer.rtcp_heard[-1])[0]
        assert isinstance(report, RtcpRrPacket)
        assert report.reports[0].ssrc == call.peer.writer.ssrc


# ICE restarts and later offers


async def test_an_ice_restart_keeps_the_call() -> None:
    async with ready() as call:
        (await call.answer()).connect()
        old, before = call.peer.remote, call.endpoint.etag
        assert (
            call.endpoint.patch(FRAGMENT.format(call.peer.ufrag, call.peer.pwd), may_restart=True)
            is None
        )
        assert call.endpoint.etag == before
        call.peer.ufrag, call.peer.pwd = "newfrag", "newpassword0123456789abcd"
        fragment = call.endpoint.patch(
            FRAGMENT.format(call.peer.ufrag, call.peer.pwd), may_restart=True
        )
        assert fragment is not None and call.endpoint.etag != before
        call.peer.remote = (field(fragment, "ice-ufrag"), field(fragment, "ice-pwd"))
        call.send(call.peer.rtp())  # the old path carries the call meanwhile
        elsewhere = MemoryPath(("198.51.100.7", 999))
        call.send(call.peer.check(), path=elsewhere)
        assert elsewhere.taken() and elsewhere.receiver is call.endpoint
        call.send(call.peer.rtp(), path=elsewhere)
        assert len(call.told.rtp) == 2 and call.told.connected == 1
        call.endpoint.send_rtp(b"x", OPUS, 0, marker=True)
        assert elsewhere.taken() and not [d for d in call.peer.path.taken() if d[0] > 127]
        call.send(call.peer.check(remote=old))
        assert call.sockets.strangers == 1, "the old credentials are gone"
        assert list(call.sockets._receivers) == [call.peer.remote[0]]


async def test_many_restarts_in_a_row_keep_two_names_at_most() -> None:
    async with ready() as call:
        (await call.answer()).connect()
        for number in range(50):
            call.endpoint.patch(FRAGMENT.format(f"frag{number}", "p" * 24), may_restart=True)
            assert len(call.sockets._receivers) <= 2
        call.send(call.peer.rtp())
        assert len(call.told.rtp) == 1


async def test_a_later_offer_changes_direction_and_restarts() -> None:
    async with ready() as call:
        (await call.answer()).connect()
        answer = call.endpoint.renegotiate(call.peer.offer(direction="sendonly"))
        assert "a=recvonly" in answer
        assert field(answer, "ice-ufrag") == call.peer.remote[0]
        assert call.endpoint.negotiated is not None and not call.endpoint.negotiated.sends
        call.peer.ufrag, call.peer.pwd = "newfrag", "newpassword0123456789abcd"
        answer = call.endpoint.renegotiate(call.peer.offer())
        assert field(answer, "ice-ufrag") != call.peer.remote[0]
        call.peer.remote = (field(answer, "ice-ufrag"), field(answer, "ice-pwd"))
        call.peer.path.taken()
        call.send(call.peer.check())
        assert call.peer.path.taken()
        call.send(call.peer.rtp())
        assert len(call.told.rtp) == 1


async def test_an_offer_that_cannot_be_answered_changes_nothing() -> None:
    async with ready() as call:
        (await call.answer()).connect()
        before = call.endpoint.etag, call.endpoint.negotiated, dict(call.sockets._receivers)
        other = RawPeer.offer(call.peer).replace(
            call.peer.certificate.fingerprint, "AA:" * 31 + "AA"
        )
        for bad in (
            "",
            "v=0\r\n",
            other,
            call.peer.offer().replace("opus", "none").replace("PCMU", "x"),
        ):
            with pytest.raises((BadOffer, NoCommonCodec)):
                call.endpoint.renegotiate(bad)
        with pytest.raises(BadFragment):
            call.endpoint.patch("nonsense", may_restart=True)
        assert before == (call.endpoint.etag, call.endpoint.negotiated, call.sockets._receivers)
        call.send(call.peer.rtp())
        assert len(call.told.rtp) == 1


async def test_after_the_end_nothing_is_negotiated() -> None:
    async with ready() as call:
        await call.answer()
        call.endpoint.close()
        with pytest.raises(BadOffer):
            call.endpoint.renegotiate(call.peer.offer())
        with pytest.raises(BadFragment):
            call.endpoint.patch(FRAGMENT.format("f" * 4, "p" * 24), may_restart=True)


async def test_a_channel_that_a_later_offer_brings_opens() -> None:
    async with ready() as call:
        await call.answer(channel=False)
        call.connect()
        answer = call.endpoint.renegotiate(call.peer.offer(channel=True))
        assert "a=sctp-port:5000" in answer
        raw = RawSctp(is_server=not call.peer.dtls.is_client)
        await raw.start()
        for _ in range(10):
            for packet in raw.taken():
                call.send(*call.peer.sctp(packet))
            call.exchange()
            for packet in call.peer.packets:
                await raw.transport._handle_data(packet)
            call.peer.packets.clear()
        assert raw.transport.state == "connected"
        await raw.transport.stop()


async def test_what_one_call_keeps_is_bounded_whatever_its_peer_sends() -> None:
    async with ready() as call:
        (await call.answer()).connect()
        chance = random.Random(9)
        for second in range(12):
            call.clock.now += 1
            for _ in range(60):
                path = MemoryPath((f"192.0.2.{chance.randrange(250)}", chance.randrange(1, 65_535)))
                call.send(call.peer.check(nominate=bool(second % 2)), path=path)
                call.peer.writer.ssrc = chance.getrandbits(32)
                call.send(call.peer.rtp(os.urandom(1000)), path=path)
                call.send(*call.peer.sctp(os.urandom(800)), path=path)
                call.send(call.peer.srtp.protect_rtcp(os.urandom(1) * 0 + bytes(RtcpRrPacket(7))))
        endpoint, sockets = call.endpoint, call.sockets
        assert len(sockets._paths[endpoint]) <= 8
        ice, srtp = endpoint._ice, endpoint._srtp
        assert ice is not None and srtp is not None
        assert len(ice._pairs) <= 8 and len(ice._transactions) <= 128
        assert len(srtp._ssrcs) <= 16

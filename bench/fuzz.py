"""Mutated packets of every protocol at a live endpoint: nothing may raise, hang or pile up.

Each target takes valid input of its protocol, changes it, and lets it in by the
door where a peer's would come, behind whatever a peer would have proved: so RTCP
is encrypted with the right keys and SCTP comes inside of DTLS.  An exception, an
input that costs more of the processor than ``--slow-ms``, or a call that keeps
too much is printed with the input in hex, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiortc import RTCDataChannel, RTCDataChannelParameters
from aiortc.rtp import RtcpByePacket, RtcpReceiverInfo, RtcpRrPacket
from google_crc32c import value as crc32c

from gateway.errors import GatewayError
from gateway.rtc.certificate import Certificate
from gateway.rtc.rtcp import RtcpSession
from gateway.rtc.rtp import RtpWriter
from gateway.rtc.sockets import MediaSockets
from gateway.rtc.srtp import SrtpError
from tests.support.raw_peer import MemoryPath, RawPeer, RawSctp, make_call

LIFE = 400  # inputs before a target begins with a new call
KEPT = {"paths": 8, "pairs": 8, "transactions": 128, "ssrcs": 16, "streams": 65, "channels": 17}
_OURS = Certificate()


class Fuzz:
    """The generator, the clock, and what was found."""

    def __init__(self, seed: int, slow_s: float) -> None:
        self.chance = random.Random(seed)
        self.now = 1000.0
        self.slow_s = slow_s
        self.sockets = MediaSockets(("127.0.0.1",))
        self.inputs: Counter[str] = Counter()
        self.found: list[str] = []
        self.slowest: dict[str, float] = {}
        self.target, self.last = "", b""

    def clock(self) -> float:
        return self.now

    def mutate(self, data: bytes) -> bytes:
        """A little different, now and then very."""
        chance, out = self.chance, bytearray(data)
        for _ in range(chance.choice((0, 1, 1, 1, 2, 4, 16))):
            at = chance.randrange(len(out) + 1)
            match chance.randrange(7):
                case 0 if at < len(out):
                    out[at] ^= 1 << chance.randrange(8)
                case 1:
                    out[at : at + 1] = bytes((chance.choice((0, 1, 4, 127, 128, 255)),))
                case 2:
                    del out[at : at + chance.randrange(1, 20)]
                case 3:
                    out[at:at] = chance.randbytes(chance.randrange(1, 20))
                case 4 if at + 2 <= len(out):
                    struct.pack_into("!H", out, at, chance.choice((0, 1, 3, 4, 0x7FFF, 0xFFFF)))
                case 5:
                    out += out[at : at + chance.randrange(200)]
                case _:
                    del out[at:]
        return bytes(out[:4000])

    def noise(self, first: tuple[int, int] = (0, 255)) -> bytes:
        size = self.chance.choice((0, 1, 11, 12, 20, 60, 200, 1200))
        return bytes((self.chance.randint(*first),)) + self.chance.randbytes(size)

    def let_in(self, target: str, data: bytes, take: Callable[[], Any]) -> None:
        """One input; what it does wrong is noted."""
        self.target, self.last = target, data
        self.inputs[target] += 1
        self.now += 0.012  # slow enough for nothing to be dropped unread
        begin = time.thread_time()
        try:
            take()
        except Exception:
            self.report(traceback.format_exc())
        took_s = time.thread_time() - begin
        if took_s > self.slowest.get(target, 0.0):
            self.slowest[target] = took_s
        if took_s > self.slow_s:
            self.report(f"took {took_s * 1000:.0f} ms")

    def send(self, target: str, datagram: bytes, path: MemoryPath, plain: bytes = b"") -> None:
        """A datagram of a peer; ``plain`` is what is in it, where that is encrypted."""
        self.let_in(target, plain or datagram, lambda: self.sockets.take(datagram, path, self.now))

    def report(self, what: str) -> None:
        self.found.append(what)
        print(f"{self.target}: {what.rstrip()}\n  input {self.last.hex()}", file=sys.stderr)

    async def call(self, *, connected: bool = True) -> tuple[Any, RawPeer]:
        peer = RawPeer(setup=self.chance.choice(("actpass", "passive")))
        endpoint, _ = await make_call(self.sockets, _OURS, peer, self.clock)
        if connected:
            peer.connect(self.sockets, self.now)
        return endpoint, peer

    def check_kept(self, endpoint: Any) -> None:
        """What one call may keep, whatever its peer has sent."""
        sctp = endpoint._sctp._sctp
        kept = {
            "paths": len(self.sockets._paths.get(endpoint, ())),
            "pairs": len(endpoint._ice._pairs),
            "transactions": len(endpoint._ice._transactions),
            "ssrcs": len(endpoint._srtp._ssrcs) if endpoint._srtp else 0,
            "streams": len(sctp._inbound_streams),
            "channels": len(sctp._data_channels),
        }
        for name, count in kept.items():
            if count > KEPT[name]:
                self.report(f"keeps {count} {name}")
        endpoint.close()
        if endpoint in self.sockets._paths or endpoint in self.sockets._receivers.values():
            self.report("is kept after its end")


async def stun(fuzz: Fuzz) -> None:
    endpoint, peer = await fuzz.call(connected=False)
    for number in range(LIFE):
        path = MemoryPath((f"192.0.2.{number % 200}", 1 + number))
        data = fuzz.mutate(peer.check()) if number % 8 else fuzz.noise((0, 3))
        fuzz.send("stun", data, path)
    fuzz.check_kept(endpoint)


async def dtls(fuzz: Fuzz) -> None:
    """Handshakes whose flights are changed, cut, doubled and mixed with noise."""
    for _ in range(LIFE // 20):
        endpoint, peer = await fuzz.call(connected=False)
        fuzz.sockets.take(peer.check(), peer.path, fuzz.now)
        if peer.dtls.is_client:
            peer.dtls.start(fuzz.now)
        quality = fuzz.chance.choice((0.0, 0.3, 0.9))
        for _ in range(8):
            for datagram in [*peer.dtls.outgoing(), fuzz.noise((20, 63))]:
                good = fuzz.chance.random() < quality
                data = datagram if good else fuzz.mutate(datagram)
                fuzz.send("dtls", data, peer.path)
            for datagram in peer.path.taken():
                if 19 < datagram[0] < 64:
                    peer.dtls.receive(datagram, fuzz.now)
        fuzz.check_kept(endpoint)


async def srtp(fuzz: Fuzz) -> None:
    endpoint, peer = await fuzz.call()
    for number in range(LIFE):
        data = fuzz.mutate(peer.rtp()) if number % 4 else fuzz.noise((128, 191))
        fuzz.send("srtp", data, peer.path)
    fuzz.check_kept(endpoint)


async def rtp(fuzz: Fuzz) -> None:
    """Changed before they are encrypted, where libsrtp takes them at all."""
    endpoint, peer = await fuzz.call()
    writer = RtpWriter()
    extended = struct.pack("!BBHIIHHI", 0xB1, 111, 1, 1, writer.ssrc, 1, 0xBEDE, 1) + bytes(60)
    for number in range(LIFE):
        plain = writer.packet(b"\xd8\xff\xfe", 111, number * 960, marker=False)
        plain = fuzz.mutate(extended if number % 3 else plain)
        try:
            data = peer.srtp.protect(plain)
        except SrtpError:
            continue
        fuzz.send("rtp", data, peer.path, plain)
    fuzz.check_kept(endpoint)


async def rtcp(fuzz: Fuzz) -> None:
    endpoint, peer = await fuzz.call()
    session = RtcpSession(peer.writer, "fuzz", now=fuzz.now, unix_s=1.7e9)
    session.hear_rtp(endpoint._writer.ssrc, 1, 1, 48_000, fuzz.now)
    block = RtcpReceiverInfo(endpoint._writer.ssrc, 1, 1, 1, 1, 1, 1)
    for number in range(LIFE):
        fuzz.sockets.take(peer.rtp(ticks=number * 960), peer.path, fuzz.now)
        valid = session.goodbye(number, fuzz.now) + bytes(RtcpRrPacket(1, [block]))
        plain = fuzz.mutate(valid if number % 3 else bytes(RtcpByePacket([1])))
        try:
            data = peer.srtp.protect_rtcp(plain)
        except SrtpError:
            continue
        fuzz.send("rtcp", data, peer.path, plain)
        endpoint._rtcp.report(0, fuzz.now)
    fuzz.check_kept(endpoint)


async def sctp(fuzz: Fuzz) -> None:
    """A real association whose packets are changed and then given a right checksum."""
    endpoint, peer = await fuzz.call()
    raw = RawSctp(is_server=not peer.dtls.is_client)
    await raw.start()
    channel = RTCDataChannel(raw.transport, RTCDataChannelParameters(label="events"))
    channel.on("message", lambda _: None)
    seen: list[bytes] = []
    quality = fuzz.chance.choice((0.2, 0.7, 0.95))
    for number in range(LIFE):
        if channel.readyState == "open" and number % 5 == 0:
            channel.send("x" * fuzz.chance.choice((1, 100, 5000)))
            endpoint.send("y" * fuzz.chance.choice((1, 100, 5000)))
        fresh = raw.taken()
        seen = (seen + fresh)[-50:]
        sent = [one if fuzz.chance.random() < quality else changed(fuzz, one) for one in fresh]
        if seen:
            sent.append(changed(fuzz, fuzz.chance.choice(seen)))
        for packet in sent:
            for data in peer.sctp(packet):
                fuzz.send("sctp", data, peer.path, packet)
        await asyncio.sleep(0)
        peer.exchange(fuzz.sockets, fuzz.now)
        for packet in peer.packets:
            with contextlib.suppress(Exception):  # theirs may stumble over our answers
                await raw.transport._handle_data(packet)
        peer.packets.clear()
    with contextlib.suppress(Exception):
        await raw.transport.stop()
    fuzz.check_kept(endpoint)


def changed(fuzz: Fuzz, packet: bytes) -> bytes:
    """Everything behind the header, several chunks perhaps, and the checksum made right."""
    body = fuzz.mutate(packet[12:])
    if not fuzz.chance.randrange(4):
        body += fuzz.mutate(packet[12:])
    head = packet[:8] + bytes(4)
    return packet[:8] + struct.pack("<L", crc32c(head + body)) + body


async def sdp(fuzz: Fuzz) -> None:
    peer = RawPeer()
    lines = peer.offer().split("\r\n")
    endpoint, _ = await fuzz.call(connected=False)
    for number in range(LIFE // 4):
        text = list(lines)
        for _ in range(fuzz.chance.randrange(1, 5)):
            at = fuzz.chance.randrange(len(text))
            match fuzz.chance.randrange(4):
                case 0:
                    del text[at]
                case 1:
                    text.insert(at, fuzz.chance.choice(text))
                case 2:
                    text[at] = fuzz.mutate(text[at].encode()).decode("utf-8", "replace")
                case _:
                    other = fuzz.chance.randrange(len(text))
                    text[at], text[other] = text[other], text[at]
        whole = "\r\n".join(text)

        new = type(endpoint)(endpoint._place, endpoint._listener, clock=fuzz.clock)
        doors: list[Callable[[str], object]] = [
            endpoint.renegotiate,
            lambda text: endpoint.patch(text, may_restart=True),
            new.answer,
        ]

        def take(whole: str = whole, door: Callable[[str], object] = doors[number % 3]) -> None:
            with contextlib.suppress(GatewayError):
                door(whole)

        fuzz.let_in("sdp", whole.encode("utf-8", "replace"), take)
        new.close()
        if len(fuzz.sockets._receivers) > 2:
            fuzz.report(f"keeps {len(fuzz.sockets._receivers)} names")
    endpoint.close()


async def tcp(fuzz: Fuzz) -> None:
    """Framing, over connections of this machine."""
    endpoint, peer = await fuzz.call(connected=False)
    sockets = fuzz.sockets
    _, writer = await asyncio.open_connection("127.0.0.1", sockets.port)
    for number in range(LIFE // 4):
        check = peer.check() if number % 2 else fuzz.noise()
        data = fuzz.mutate(struct.pack("!H", len(check)) + check)
        fuzz.target, fuzz.last = "tcp", data
        fuzz.inputs["tcp"] += 1
        writer.write(data)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if writer.is_closing() or not number % 20:
            writer.close()
            _, writer = await asyncio.open_connection("127.0.0.1", sockets.port)
    writer.close()
    await asyncio.sleep(0.01)
    endpoint.close()


TARGETS: dict[str, Callable[[Fuzz], Awaitable[None]]] = {
    one.__name__: one for one in (stun, dtls, srtp, rtp, rtcp, sctp, sdp, tcp)
}


async def run(seconds: float, seed: int, names: list[str], slow_s: float) -> Fuzz:
    fuzz = Fuzz(seed, slow_s)
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: fuzz.report(f"on the loop: {context}")
    )
    await fuzz.sockets.start()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for name in names:
                fuzz.now += 1
                fuzz.target = name
                try:
                    await TARGETS[name](fuzz)
                except Exception:
                    fuzz.report(traceback.format_exc())
    finally:
        await fuzz.sockets.aclose()
    return fuzz


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--slow-ms", type=float, default=250.0, help="what is too long for one input"
    )
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: all")
    options = parser.parse_args()
    fuzz = asyncio.run(
        run(options.seconds, options.seed, options.target or list(TARGETS), options.slow_ms / 1000)
    )
    for name, count in fuzz.inputs.items():
        print(f"  {name:6} {count:9,} inputs, slowest {fuzz.slowest.get(name, 0) * 1000:6.1f} ms")
    print(f"  seed {options.seed}: {len(fuzz.found)} found")
    sys.exit(1 if fuzz.found else 0)


if __name__ == "__main__":
    main()

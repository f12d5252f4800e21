"""A WebRTC peer that sends exactly what a test or a fuzzer wants: every layer by hand.

The layers are the gateway's own where they are symmetric (DTLS, SRTP), aioice's
for STUN and aiortc's for SCTP.  Datagrams go straight into
:class:`~gateway.rtc.sockets.MediaSockets`, by a path that keeps what comes back.
"""

from __future__ import annotations

from typing import Any

from aioice import stun
from aiortc import RTCSctpCapabilities, RTCSctpTransport

from gateway.rtc.certificate import Certificate
from gateway.rtc.dtls import DtlsTransport
from gateway.rtc.endpoint import Endpoint, EndpointListener, Place
from gateway.rtc.rtp import RtpWriter
from gateway.rtc.sockets import MediaSockets, Receiver
from gateway.rtc.srtp import Srtp

OPUS = 111
HEARD = b"\xd8\xff\xfe"  # 20 ms of silence in Opus


class MemoryPath:
    """A path of datagrams that ends in a list."""

    def __init__(self, address: tuple[str, int] = ("192.0.2.9", 4242)) -> None:
        self.receiver: Receiver | None = None
        self.sent: list[bytes] = []
        self.closed = False
        self._address = address

    @property
    def address(self) -> tuple[str, int]:
        return self._address

    def send(self, datagram: bytes) -> None:
        self.sent.append(datagram)

    def close(self) -> None:
        self.closed = True

    def taken(self) -> list[bytes]:
        """What was sent since the last time."""
        sent, self.sent = self.sent, []
        return sent


class Told(EndpointListener):
    """Keeps what an endpoint tells."""

    def __init__(self) -> None:
        self.connected = 0
        self.rtp: list[tuple[int, int, int, int, bytes]] = []
        self.messages: list[str | bytes] = []
        self.gone: list[bool] = []

    def on_connected(self) -> None:
        self.connected += 1

    def on_rtp(
        self,
        payload_type: int,
        ssrc: int,
        sequence: int,
        timestamp: int,
        payload: bytes,
        now: float,
    ) -> None:
        self.rtp.append((payload_type, ssrc, sequence, timestamp, payload))

    def on_message(self, message: str | bytes) -> None:
        self.messages.append(message)

    def on_gone(self, *, hung_up: bool) -> None:
        self.gone.append(hung_up)


def offer(
    fingerprint: str,
    *,
    ufrag: str = "rawfrag",
    pwd: str = "rawpassword0123456789abcd",
    setup: str = "actpass",
    direction: str = "sendrecv",
    channel: bool = True,
) -> str:
    """Opus and PCMU, and a data channel."""
    transport = [
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{pwd}",
        f"a=fingerprint:sha-256 {fingerprint}",
        f"a=setup:{setup}",
    ]
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {'0 1' if channel else '0'}",
        f"m=audio 9 UDP/TLS/RTP/SAVPF {OPUS} 0",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        f"a={direction}",
        "a=rtcp-mux",
        *transport,
        f"a=rtpmap:{OPUS} opus/48000/2",
        "a=rtpmap:0 PCMU/8000",
    ]
    if channel:
        lines += [
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
            "c=IN IP4 0.0.0.0",
            "a=mid:1",
            *transport,
            "a=sctp-port:5000",
            "a=max-message-size:262144",
        ]
    return "\r\n".join(lines) + "\r\n"


def field(answer: str, name: str) -> str:
    """The first value of an attribute."""
    return next(line for line in answer.splitlines() if line.startswith(f"a={name}:"))[
        len(name) + 3 :
    ].strip()


class RawPeer:
    """One end of a call whose other end is an :class:`Endpoint`.

    ``path`` is where its datagrams come from; ``connect`` takes both through
    ICE and DTLS at once.  Nothing here knows the time: pass ``now``.
    """

    certificate = Certificate()

    def __init__(self, *, setup: str = "actpass", path: Any = None, channel: bool = True) -> None:
        self.path = MemoryPath() if path is None else path
        self.writer = RtpWriter()
        self.setup, self.channel = setup, channel
        self.ufrag, self.pwd = "rawfrag", "rawpassword0123456789abcd"
        self.srtp: Srtp
        self.dtls: DtlsTransport
        self.packets: list[bytes] = []  # of SCTP that came
        self.rtp_heard: list[bytes] = []
        self.rtcp_heard: list[bytes] = []

    def offer(self, **changes: Any) -> str:
        fields = {"ufrag": self.ufrag, "pwd": self.pwd, "setup": self.setup}
        fingerprint = self.certificate.fingerprint
        return offer(fingerprint, **{**fields, "channel": self.channel, **changes})

    def take(self, answer: str) -> None:
        self.remote = (field(answer, "ice-ufrag"), field(answer, "ice-pwd"))
        self.dtls = DtlsTransport(
            self.certificate,
            is_client=field(answer, "setup") == "passive",
            fingerprints=[("sha-256", field(answer, "fingerprint").split()[1])],
        )

    def check(self, *, nominate: bool = True, remote: tuple[str, str] | None = None) -> bytes:
        """A connectivity check with the credentials of the answer."""
        ufrag, pwd = remote or self.remote
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes["USERNAME"] = f"{ufrag}:{self.ufrag}"
        message.attributes["PRIORITY"] = 1_862_270_975
        message.attributes["ICE-CONTROLLING"] = 7
        if nominate:
            message.attributes["USE-CANDIDATE"] = None
        message.add_message_integrity(pwd.encode())
        return bytes(message)

    def connect(self, sockets: MediaSockets, now: float, *, path: Any = None) -> None:
        """ICE and the whole handshake, over a :class:`MemoryPath`."""
        path = path or self.path
        sockets.take(self.check(), path, now)
        if self.dtls.is_client:
            self.dtls.start(now)
        self.exchange(sockets, now)
        assert self.dtls.state == "connected", self.dtls.failure

    def exchange(self, sockets: MediaSockets, now: float) -> None:
        """Carry what both want to say until neither has anything."""
        while True:
            out = self.dtls.outgoing()
            for datagram in out:
                sockets.take(datagram, self.path, now)
            came = self.path.taken()
            for datagram in came:
                self.hear(datagram, now)
            if not out and not came:
                return

    def hear(self, datagram: bytes, now: float) -> None:
        if 19 < datagram[0] < 64:
            self.packets += self.dtls.receive(datagram, now)
            if self.dtls.state == "connected" and not hasattr(self, "srtp"):
                self.srtp = Srtp(self.dtls.srtp_keys())
        elif 127 < datagram[0] < 192 and hasattr(self, "srtp"):
            if 191 < datagram[1] < 224:
                self.rtcp_heard.append(self.srtp.unprotect_rtcp(datagram))
            else:
                self.rtp_heard.append(self.srtp.unprotect(datagram))

    def rtp(self, payload: bytes = HEARD, payload_type: int = OPUS, ticks: int = 0) -> bytes:
        """The next packet, protected."""
        return self.srtp.protect(self.writer.packet(payload, payload_type, ticks, marker=False))

    def sctp(self, packet: bytes) -> list[bytes]:
        """A packet of the data channel, as datagrams."""
        self.dtls.send(packet)
        return self.dtls.outgoing()


class RawSctp:
    """aiortc's SCTP with a wire in the test's hand: ``sent`` is what it wants to send."""

    def __init__(self, *, is_server: bool) -> None:
        self.state = "connected"
        self.sent: list[bytes] = []
        self._role = "server" if is_server else "client"
        self.transport = RTCSctpTransport(self)  # type: ignore[arg-type]

    async def start(self) -> None:
        await self.transport.start(RTCSctpCapabilities(maxMessageSize=262_144), 5000)

    def taken(self) -> list[bytes]:
        sent, self.sent = self.sent, []
        return sent

    def _register_data_receiver(self, receiver: object) -> None:
        pass

    def _unregister_data_receiver(self, receiver: object) -> None:
        self.state = "closed"

    async def _send_data(self, data: bytes) -> None:
        self.sent.append(data)


async def make_call(
    sockets: MediaSockets, certificate: Certificate, peer: RawPeer, clock: Any, **changes: Any
) -> tuple[Endpoint, Told]:
    """An endpoint that has answered ``peer``; nothing was sent yet."""
    told = Told()
    line = "candidate:1 1 udp 2130706431 192.0.2.50 8081 typ host"
    endpoint = Endpoint(Place(sockets, certificate, (line,)), told, clock=clock)
    peer.take(endpoint.answer(peer.offer(**changes)))
    return endpoint, told

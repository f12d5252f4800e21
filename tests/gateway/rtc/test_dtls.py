"""DTLS handshakes over wires of every kind, and what strangers throw at them."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from gateway.rtc.certificate import Certificate, _context
from gateway.rtc.dtls import HANDSHAKE_S, MAX_REPEATS, MTU_BYTES, DtlsTransport
from gateway.rtc.records import record_end
from gateway.rtc.srtp import Srtp

pytestmark = pytest.mark.unit

OURS, THEIRS, STRANGERS = Certificate(), Certificate(), Certificate()
WRONG = ":".join(["00"] * 32)
Pair = tuple[DtlsTransport, DtlsTransport]


def transport(is_client: bool, ours: Certificate = OURS, theirs: Any = THEIRS) -> DtlsTransport:
    prints = [("sha-256", theirs.fingerprint)]
    return DtlsTransport(ours, is_client=is_client, fingerprints=prints)


def new_pair(ours: Certificate = OURS, theirs: Certificate = THEIRS) -> Pair:
    return transport(True, ours, theirs), transport(False, theirs, ours)


def exchange(a: DtlsTransport, b: DtlsTransport, now: float = 0.0) -> None:
    """Carry datagrams both ways until neither has anything to say."""
    while (to_b := a.outgoing()) + (to_a := b.outgoing()):
        for datagram in to_b:
            b.receive(datagram, now)
        for datagram in to_a:
            a.receive(datagram, now)


def connected_pair(ours: Certificate = OURS, theirs: Certificate = THEIRS) -> Pair:
    client, server = new_pair(ours, theirs)
    client.start(0.0)
    exchange(client, server)
    assert_connected(client, server)
    return client, server


def assert_connected(a: DtlsTransport, b: DtlsTransport) -> None:
    assert (a.state, b.state) == ("connected", "connected"), a.failure + b.failure
    mine, theirs = a.srtp_keys(), b.srtp_keys()
    assert (mine.profile, mine.local, mine.remote) == (theirs.profile, theirs.remote, theirs.local)
    assert mine.local != mine.remote
    a.send(b"ping")
    assert [p for d in a.outgoing() for p in b.receive(d, 0.0)] == [b"ping"]
    b.send(b"pong")
    assert [p for d in b.outgoing() for p in a.receive(d, 0.0)] == [b"pong"]


def records_of(datagrams: list[bytes]) -> list[bytes]:
    stream, records = b"".join(datagrams), []
    while stream:
        end = record_end(stream, 0)
        records.append(stream[:end])
        stream = stream[end:]
    return records


def rsa_certificate() -> Certificate:
    """The certificate of a peer that has RSA keys."""
    certificate = Certificate()
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a" * 60)])
    now = datetime.datetime.now(datetime.UTC)
    yesterday = now - datetime.timedelta(days=1)  # its end: only the fingerprint counts
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, yesterday, yesterday)
    signed = builder.sign(key, hashes.SHA256())
    certificate.fingerprint = signed.fingerprint(hashes.SHA256()).hex(":")
    certificate.context = _context(cast(ec.EllipticCurvePrivateKey, key), signed)
    return certificate


class Raw:
    """A peer that is nothing but OpenSSL."""

    def __init__(self, context: SSL.Context, *, is_client: bool) -> None:
        self.tls = SSL.Connection(context, None)
        self.tls.set_ciphertext_mtu(MTU_BYTES)
        (self.tls.set_connect_state if is_client else self.tls.set_accept_state)()

    def step(self, action: Callable[[], object]) -> list[bytes]:
        try:
            action()
        except SSL.Error:
            pass
        try:
            return [self.tls.bio_read(65536)]
        except SSL.Error:
            return []

    def meet(self, peer: DtlsTransport) -> None:
        """The whole handshake."""
        for _ in range(6):
            for datagram in records_of(self.step(self.tls.do_handshake)):
                peer.receive(datagram, 0.0)
            for datagram in peer.outgoing():
                self.tls.bio_write(datagram)


def raw_context(*, srtp: bytes = b"SRTP_AEAD_AES_128_GCM", certificate: bool = True) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_options(SSL.OP_NO_QUERY_MTU)
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    if srtp:
        context.set_tlsext_use_srtp(srtp)
    if certificate:
        made = RTCCertificate.generateCertificate()
        context.use_certificate(made._cert)
        context.use_privatekey(made._key)
    return context


class Shown:
    """What SDP says of a raw context's certificate."""

    def __init__(self, context: SSL.Context) -> None:
        shown = SSL.Connection(context, None).get_certificate()
        assert shown is not None
        self.fingerprint = shown.digest("sha256").decode()


def test_both_sides_agree_on_keys_and_carry_data() -> None:
    client, server = connected_pair()
    assert client.srtp_keys().profile == "AEAD_AES_128_GCM"
    ours, theirs = Srtp(client.srtp_keys()), Srtp(server.srtp_keys())
    packet = b"\x80\x6f" + bytes(30)
    assert theirs.unprotect(ours.protect(packet)) == packet
    assert client.deadline() is None and server.deadline() is None
    assert client.dropped == server.dropped == 0


def test_packets_keep_their_order_and_their_bounds() -> None:
    client, server = connected_pair()
    packets = [bytes([number]) * size for number, size in enumerate((1, 1200, 90, 1150, 16_000))]
    for packet in packets:
        client.send(packet)
    assert [p for d in client.outgoing() for p in server.receive(d, 0.0)] == packets
    client.send(bytes(20_000))
    assert client.outgoing() == [] and client.dropped == 1


@pytest.mark.parametrize("wrong_side", ["client", "server"])
def test_a_certificate_that_sdp_does_not_name_fails_both(wrong_side: str) -> None:
    client, server = new_pair()
    if wrong_side == "client":
        server = transport(False, THEIRS, STRANGERS)
    else:
        client = transport(True, OURS, STRANGERS)
    client.start(0.0)
    exchange(client, server)
    assert (client.state, server.state) != ("connected", "connected")
    judge, judged = (server, client) if wrong_side == "client" else (client, server)
    assert judge.state == "failed" and "fingerprints" in judge.failure
    assert judged.state == "failed" and "alert" in judged.failure
    assert judge.deadline() is None
    with pytest.raises(AssertionError):
        judge.srtp_keys()


def test_no_fingerprint_means_no_call() -> None:
    client, server = new_pair()
    server = DtlsTransport(THEIRS, is_client=False, fingerprints=[("md5", WRONG)])
    client.start(0.0)
    exchange(client, server)
    assert server.state == "failed"


def test_peers_with_rsa_certificates_connect_in_either_role() -> None:
    with_rsa = rsa_certificate()
    connected_pair(OURS, with_rsa)
    client, server = new_pair(with_rsa, OURS)
    client.start(0.0)
    server.receive(client.outgoing()[0], 0.0)
    client.receive(server.outgoing()[0], 0.0)
    flight = client.outgoing()
    assert len(flight) > 1 and max(map(len, flight)) <= MTU_BYTES
    for datagram in flight:
        server.receive(datagram, 0.0)
    exchange(client, server)
    assert_connected(client, server)


def test_a_flight_that_is_lost_is_sent_again() -> None:
    """Each of the four in turn; all at once, since OpenSSL waits a second of real time."""
    pairs = [new_pair() for _ in range(4)]
    lost = [0] * len(pairs)

    def carry(which: int, sender: DtlsTransport, receiver: DtlsTransport, flight: int) -> None:
        datagrams = sender.outgoing()
        if flight == which and not lost[which]:
            lost[which] = len(datagrams)
            return
        for datagram in datagrams:
            receiver.receive(datagram, time.monotonic())

    for which, (client, server) in enumerate(pairs):
        client.start(time.monotonic())
        for flight in range(0, 4, 2):
            carry(which, client, server, flight)
            carry(which, server, client, flight + 1)
    assert all(lost)
    assert not any(client.state == server.state == "connected" for client, server in pairs)
    until = time.monotonic() + HANDSHAKE_S
    while not all(c.state == s.state == "connected" for c, s in pairs):
        deadlines = [t for pair in pairs for side in pair if (t := side.deadline()) is not None]
        assert deadlines and time.monotonic() < until
        time.sleep(max(0.0, min(deadlines) - time.monotonic()))
        for client, server in pairs:
            for side in (client, server):
                side.tick(time.monotonic())
            exchange(client, server, time.monotonic())
    for client, server in pairs:
        assert_connected(client, server)


def test_a_hello_that_comes_again_is_answered_at_once_and_not_for_ever() -> None:
    client, server = new_pair()
    client.start(0.0)
    (hello,) = client.outgoing()
    server.receive(hello, 0.0)
    lost = records_of(server.outgoing())
    for repeat in range(1, 30):
        again = hello[:10] + bytes([repeat]) + hello[11:]
        assert server.receive(again, 0.0) == []
        answer = records_of(server.outgoing())
        assert [r[13:] for r in answer] == ([r[13:] for r in lost] if repeat <= MAX_REPEATS else [])
        for record in answer:
            client.receive(record, 0.0)
    exchange(client, server)
    assert_connected(client, server)


def test_records_of_a_flight_may_come_in_another_order() -> None:
    client, server = new_pair()
    client.start(0.0)
    server.receive(client.outgoing()[0], 0.0)
    for record in reversed(records_of(server.outgoing())):
        client.receive(record, 0.0)
    certificate, exchanged, proof, change, finished = records_of(client.outgoing())
    for record in (finished, proof, exchanged, certificate, change):
        server.receive(record, 0.0)
    exchange(client, server)
    assert_connected(client, server)


def test_everything_twice_is_once_too_much_and_no_harm() -> None:
    client, server = new_pair()
    client.start(0.0)
    while (to_server := client.outgoing()) + (to_client := server.outgoing()):
        for datagram in to_server * 2:
            server.receive(datagram, 0.0)
        for datagram in to_client * 2:
            client.receive(datagram, 0.0)
    assert_connected(client, server)


def test_what_is_torn_or_no_dtls_is_dropped_in_the_midst_of_it() -> None:
    client, server = new_pair()
    noise = [b"", b"GET / HTTP/1.1", bytes(90), b"\x80" * 40, b"\x16\xfe\xfd" + bytes(9)]
    client.start(0.0)
    while (to_server := client.outgoing()) + (to_client := server.outgoing()):
        for receiver, datagrams in ((server, to_server), (client, to_client)):
            for datagram in datagrams:
                torn = datagram[: record_end(datagram, 0) - 1]
                for piece in (*noise, torn, datagram + b"\x16\xfe", datagram):
                    receiver.receive(piece, 0.0)
    assert_connected(client, server)
    assert client.dropped >= 14 and server.dropped >= 14


def test_strangers_and_echoes_are_dropped_after_connecting() -> None:
    client, server = connected_pair()
    stranger, _ = connected_pair()
    stranger.send(b"psst")
    (false,) = stranger.outgoing()
    assert server.receive(false, 0.0) == []
    client.send(b"once")
    (true,) = client.outgoing()
    changed = true[:-1] + bytes([true[-1] ^ 1])
    assert server.receive(changed, 0.0) == []
    assert server.receive(true, 0.0) == [b"once"]
    assert server.receive(true, 0.0) == []
    plain_alert = bytes.fromhex("15fefd000000000000000900020228")
    assert server.receive(plain_alert, 0.0) == []
    assert (server.state, server.dropped) == ("connected", 4)
    assert_connected(client, server)


def test_closing_is_heard_by_the_other_side() -> None:
    client, server = connected_pair()
    client.close()
    (goodbye,) = client.outgoing()
    assert server.receive(goodbye, 0.0) == []
    assert (client.state, client.closed_by_peer) == ("closed", False)
    assert (server.state, server.closed_by_peer) == ("closed", True)
    server.send(b"too late")
    for datagram in server.outgoing():
        assert client.receive(datagram, 0.0) == []
    server.close()
    server.tick(99.0)
    assert (server.state, server.closed_by_peer, server.failure) == ("closed", True, "")
    assert server.outgoing() == []


def test_one_closed_before_it_began_says_nothing() -> None:
    client, server = new_pair()
    client.close()
    server.start(0.0)
    server.close()
    assert client.state == server.state == "closed"
    assert client.outgoing() == server.outgoing() == []
    assert client.deadline() is None and server.deadline() is None


def test_data_cannot_go_before_the_handshake_is_over() -> None:
    client, _ = new_pair()
    client.send(b"early")
    assert client.dropped == 1 and client.outgoing() == []
    client.start(0.0)
    client.send(b"early")
    assert client.dropped == 2


def test_a_peer_that_never_answers_is_given_up() -> None:
    client, server = new_pair()
    for side in (client, server):
        side.start(5.0)
        deadline = side.deadline()
        assert deadline is not None and 5.0 < deadline <= 5.0 + HANDSHAKE_S
        side.tick(5.0 + HANDSHAKE_S - 0.1)
        assert side.state == "connecting"
        side.tick(5.0 + HANDSHAKE_S)
        assert side.state == "failed" and "20 s" in side.failure
        assert side.deadline() is None


def test_a_fatal_alert_ends_the_handshake() -> None:
    client, _ = new_pair()
    client.start(0.0)
    client.receive(bytes.fromhex("15fefd000000000000000000020228"), 0.0)
    assert client.state == "failed" and "handshake failure" in client.failure
    assert client.receive(b"\x16" * 50, 0.0) == []


def test_a_peer_without_srtp_fails() -> None:
    context = raw_context(srtp=b"")
    server = transport(False, OURS, Shown(context))
    Raw(context, is_client=True).meet(server)
    assert server.state == "failed" and "SRTP" in server.failure


def test_a_peer_without_a_certificate_fails() -> None:
    server = transport(False)
    Raw(raw_context(certificate=False), is_client=True).meet(server)
    assert server.state == "failed" and "certificate" in server.failure


@pytest.mark.parametrize("is_client", [True, False])
def test_a_peer_that_would_renegotiate_is_told_no(is_client: bool) -> None:
    context = raw_context(srtp=b"SRTP_AES128_CM_SHA1_80")
    ours = transport(not is_client, OURS, Shown(context))
    raw = Raw(context, is_client=is_client)
    if not is_client:
        ours.start(0.0)
        raw.tls.bio_write(ours.outgoing()[0])
    raw.meet(ours)
    assert ours.state == "connected", ours.failure
    assert ours.srtp_keys().profile == "AES128_CM_SHA1_80"
    raw.tls.renegotiate()
    for datagram in records_of(raw.step(raw.tls.do_handshake)):
        assert ours.receive(datagram, 0.0) == []
    assert ours.state == "connected", ours.failure
    ours.send(b"still here")
    answers = ours.outgoing()
    assert len(records_of(answers)) >= 2, "a refusal, and the data"


class Wire:
    """An ICE transport as far as aiortc's DTLS needs one."""

    def __init__(self, role: str) -> None:
        self.role, self.state = role, "connected"
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    async def _send(self, data: bytes) -> None:
        self.sent.put_nowait(data)

    async def _recv(self) -> bytes:
        return await self.received.get()


class Mailbox:
    def __init__(self) -> None:
        self.packets: asyncio.Queue[bytes] = asyncio.Queue()

    async def _handle_data(self, data: bytes) -> None:
        self.packets.put_nowait(data)


@pytest.mark.parametrize("is_client", [True, False])
async def test_aiortc_connects_in_either_role(is_client: bool) -> None:
    made = RTCCertificate.generateCertificate()
    prints = [(known.algorithm, known.value) for known in made.getFingerprints()]
    ours = DtlsTransport(OURS, is_client=is_client, fingerprints=prints)
    wire, mailbox, arrived = Wire("controlling" if is_client else "controlled"), Mailbox(), []
    theirs = RTCDtlsTransport(cast(Any, wire), [made])
    theirs._register_data_receiver(mailbox)

    def send() -> None:
        for datagram in ours.outgoing():
            wire.received.put_nowait(datagram)

    async def carry() -> None:
        while True:
            datagram = await wire.sent.get()
            arrived.extend(ours.receive(datagram, time.monotonic()))
            send()

    ours.start(time.monotonic())
    send()
    carrier = asyncio.create_task(carry())
    known = RTCDtlsFingerprint("sha-256", OURS.fingerprint)
    await theirs.start(RTCDtlsParameters([known]))
    assert theirs.state == "connected"
    await theirs._send_data(b"ping")
    while not arrived:
        await asyncio.sleep(0)
    assert arrived == [b"ping"] and ours.state == "connected"
    ours.send(b"pong")
    send()
    assert await mailbox.packets.get() == b"pong"

    srtp, packet = Srtp(ours.srtp_keys()), b"\x80\x6f" + bytes(40)
    assert srtp.unprotect(theirs._tx_srtp.protect(packet)) == packet
    assert theirs._rx_srtp.unprotect(srtp.protect(packet)) == packet
    await theirs.stop()
    while ours.state == "connected":
        await asyncio.sleep(0)
    assert (ours.state, ours.closed_by_peer) == ("closed", True)
    carrier.cancel()
    await asyncio.gather(carrier, return_exceptions=True)


def sides() -> dict[str, DtlsTransport]:
    """One association in each state a datagram can find it in."""
    client, server = new_pair()
    started, answered = new_pair()
    started.start(0.0)
    answered.receive(started.outgoing()[0], 0.0)
    connected, goodbye = connected_pair()[0], connected_pair()[0]
    goodbye.close()
    return {
        "new client": client,
        "new server": server,
        "started": started,
        "answered": answered,
        "connected": connected,
        "closed": goodbye,
    }


headers = st.builds(
    lambda kind, epoch, body: (
        bytes([kind, 0xFE, 0xFD]) + epoch.to_bytes(2) + bytes(6) + len(body).to_bytes(2) + body
    ),
    st.sampled_from([20, 21, 22, 23, 26]),
    st.integers(0, 2),
    st.binary(max_size=60),
)


@given(st.lists(st.one_of(st.binary(max_size=80), headers), max_size=4))
def test_any_bytes_in_any_state_raise_nothing(datagrams: list[bytes]) -> None:
    for state, side in sides().items():
        for datagram in datagrams:
            assert side.receive(datagram, 0.0) == [], state
            side.outgoing()
        side.tick(1.0)
        assert (side.state == "failed") == bool(side.failure)
        side.close()


@given(st.integers(0, 3), st.integers(0, 1500), st.integers(1, 255))
def test_a_changed_flight_raises_nothing(victim: int, at: int, flip: int) -> None:
    client, server = new_pair()
    client.start(0.0)
    for flight in range(4):
        sender, receiver = (server, client) if flight % 2 else (client, server)
        for datagram in sender.outgoing():
            changed = bytearray(datagram)
            if flight == victim:
                changed[at % len(changed)] ^= flip
            receiver.receive(bytes(changed), 0.0)
    exchange(client, server)
    if client.state == server.state == "connected":
        assert client.srtp_keys().local == server.srtp_keys().remote

"""DTLS without I/O: the handshake that gives SRTP its keys, and the data channel's packets.

OpenSSL reads and writes memory, one stream of bytes in each direction.  On the
way in it is given one datagram at a time and asked until it wants more.  On
the way out the stream is cut at the records' own headers and as many whole
records as fit make a datagram (RFC 6347 §4.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from OpenSSL import SSL

from gateway.rtc.certificate import Certificate, FingerprintCheck
from gateway.rtc.records import (
    clear_records,
    is_client_hello,
    join_records,
    renumber,
    whole_records,
)
from gateway.rtc.srtp import PROFILES, SrtpKeys

HANDSHAKE_S = 20.0
MTU_BYTES = 1200  # of a datagram's payload, through any tunnel there is
MAX_DATAGRAM_BYTES = 16_384  # no more than OpenSSL takes at once
MAX_REPEATS = 8  # of the answer to a ClientHello, so that a flood is not doubled

_READ_BYTES = 4096

State = Literal["new", "connecting", "connected", "closed", "failed"]


class DtlsTransport:
    """One DTLS association with a peer (RFC 5764, RFC 8827 §6.5).

    Call :meth:`start`, give each datagram to :meth:`receive`, and call
    :meth:`tick` when :meth:`deadline` has come.  After each of these, and
    after :meth:`send` and :meth:`close`, send what :meth:`outgoing` returns.
    A server needs no ``start``: the first datagram starts it.

    ``fingerprints`` are the peer's, pairs of digest and value as in its SDP.
    Nothing that a peer sends raises.  ``dropped`` counts datagrams that were
    no use; ``failure`` says in words why the state is ``failed``.

    The state is ``closed`` after :meth:`close` or the peer's close_notify,
    which ``closed_by_peer`` tells apart.
    """

    def __init__(
        self,
        certificate: Certificate,
        *,
        is_client: bool,
        fingerprints: Sequence[tuple[str, str]],
    ) -> None:
        self.is_client = is_client
        self.state: State = "new"
        self.closed_by_peer = False
        self.failure = ""
        self.dropped = 0
        self._check = FingerprintCheck(fingerprints)
        self._tls = SSL.Connection(certificate.context, None)
        self._tls.set_app_data(self._check)
        self._tls.set_ciphertext_mtu(MTU_BYTES)
        if is_client:
            self._tls.set_connect_state()
        else:
            self._tls.set_accept_state()
        self._written = bytearray()  # whole records, not yet sent
        self._flight = b""  # a server's answer to the ClientHello
        self._shift = self._repeats = 0
        self._give_up_at = 0.0
        self._deadline: float | None = None
        self._keys: SrtpKeys | None = None

    def start(self, now: float) -> None:
        """Begin the handshake; a client's first flight is ready to go."""
        assert self.state == "new", "an association starts once"
        self.state = "connecting"
        self._give_up_at = now + HANDSHAKE_S
        self._handshake()
        self._schedule(now)

    def receive(self, datagram: bytes, now: float) -> list[bytes]:
        """Take a datagram of the peer; return the packets of data it held, in order."""
        if self.state == "new" and not self.is_client:
            self.start(now)
        if self.state not in ("connecting", "connected") or len(datagram) > MAX_DATAGRAM_BYTES:
            self.dropped += 1
            return []
        useful = whole_records(datagram)
        if useful < len(datagram) or not useful:
            self.dropped += 1
        if not useful:
            return []
        if self._flight and self.state == "connecting" and is_client_hello(datagram):
            self._repeat()
            return []
        self._tls.bio_write(datagram[:useful])
        packets = self._read_on() if self.state == "connected" else self._handshake()
        self._drain()
        self._schedule(now)
        return packets

    def send(self, data: bytes) -> None:
        """Encrypt one packet; one that cannot go now is dropped, as a network would."""
        if self.state != "connected":
            self.dropped += 1
            return
        try:
            self._tls.send(data)
        except SSL.Error:
            self.dropped += 1

    def outgoing(self) -> list[bytes]:
        """The datagrams to send now; each is returned once."""
        self._drain()
        datagrams = join_records(bytes(self._written), MTU_BYTES)
        self._written.clear()
        return datagrams

    def deadline(self) -> float | None:
        """When to call :meth:`tick` at the latest."""
        return self._deadline

    def tick(self, now: float) -> None:
        """Retransmit what was not answered (RFC 6347 §4.2.4), or give up.

        OpenSSL times its flights by its own clock, so ``now`` must not run
        faster than the world; a tick that is early does nothing.
        """
        if self.state == "connecting" and now >= self._give_up_at:
            self._fail(f"the handshake was not complete after {HANDSHAKE_S:.0f} s")
        elif self.state in ("connecting", "connected"):
            try:
                self._tls.DTLSv1_handle_timeout()
            except SSL.Error as error:
                self._fail(_reason(error))
        self._schedule(now)

    def close(self) -> None:
        """Say goodbye (close_notify) and take nothing more."""
        if self.state == "connected":
            self._shutdown()
        if self.state != "failed":
            self.state = "closed"
        self._deadline = None

    def srtp_keys(self) -> SrtpKeys:
        """The keys of a connected association (RFC 5764 §4.2)."""
        assert self._keys is not None, "keys exist once the state is connected"
        return self._keys

    def _handshake(self) -> list[bytes]:
        """Go on with the handshake; data may have come close behind its end."""
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return []
        except SSL.Error as error:
            if self._check.matched is False:
                self._fail("the peer's certificate has none of the fingerprints of its SDP")
            else:
                self._fail(_reason(error))
            return []
        # A wrong certificate has ended the handshake already; this is for none at all.
        self._keys = self._export() if self._check.matched else None
        if self._keys is not None:
            self.state = "connected"
            return self._read()
        self._shutdown()
        self._fail(
            "the peer and the gateway have no SRTP profile in common"
            if self._check.matched
            else "the peer has shown no certificate"
        )
        return []

    def _read_on(self) -> list[bytes]:
        packets = self._read()
        if not packets and self.state == "connected" and not self._drain():
            self.dropped += 1
        return packets

    def _export(self) -> SrtpKeys | None:
        name = self._tls.get_selected_srtp_profile().decode().removeprefix("SRTP_")
        if name not in PROFILES:
            return None
        key, salt = PROFILES[name].key_bytes, PROFILES[name].salt_bytes
        block = self._tls.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        salts = block[2 * key :]
        client, server = block[:key] + salts[:salt], block[key : 2 * key] + salts[salt:]
        mine, theirs = (client, server) if self.is_client else (server, client)
        return SrtpKeys(name, local=mine, remote=theirs)

    def _read(self) -> list[bytes]:
        packets: list[bytes] = []
        while True:
            try:
                packets.append(self._tls.recv(MAX_DATAGRAM_BYTES))
            except SSL.WantReadError:
                return packets
            except SSL.ZeroReturnError:
                self.closed_by_peer = True
                self._shutdown()
                self.state = "closed"
                return packets
            except SSL.Error as error:
                self._fail(_reason(error))
                return packets

    def _drain(self) -> bool:
        """Take what OpenSSL has written; whether that was anything."""
        stream = b""
        try:
            while True:
                stream += self._tls.bio_read(_READ_BYTES)
        except SSL.Error:
            pass
        if self.state == "connecting" and not self.is_client and stream:
            self._flight = stream
        self._written += renumber(stream, self._shift) if self._shift else stream
        return bool(stream)

    def _repeat(self) -> None:
        """A ClientHello came again: its answer was lost.

        OpenSSL would wait a second for its own timer, while browsers ask after
        50 ms.  The answer is in the clear, so it can be sent under new record
        numbers; those of all later records in the clear are moved behind them.
        """
        if self._repeats < MAX_REPEATS:
            self._repeats += 1
            self._shift += clear_records(self._flight)
            self._written += renumber(self._flight, self._shift)

    def _shutdown(self) -> None:
        try:
            self._tls.shutdown()
        except SSL.Error:
            pass  # a peer that is gone needs no goodbye

    def _fail(self, why: str) -> None:
        self.state, self.failure = "failed", why

    def _schedule(self, now: float) -> None:
        self._deadline = None
        if self.state in ("connecting", "connected"):
            timeout_s = self._tls.DTLSv1_get_timeout()
            if timeout_s is not None:
                self._deadline = now + timeout_s
        if self.state == "connecting":
            self._deadline = min(self._deadline or self._give_up_at, self._give_up_at)


def _reason(error: SSL.Error) -> str:
    """OpenSSL's own words, without the places in its source."""
    if isinstance(error, SSL.ZeroReturnError):
        return "the peer closed during the handshake"
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(entry[-1] for entry in entries) or "OpenSSL gave up without a reason"

"""DTLS-SRTP of one caller: datagrams in and out, then two SRTP sessions (RFC 5764)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from pylibsrtp import Policy, Session

_PROFILES = {  # by name: libsrtp's number, bytes of key, bytes of salt
    b"SRTP_AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    b"SRTP_AES128_CM_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}
_MTU_BYTES = 1200


class Identity:
    """A certificate that every caller of a process shares, and its sha-256 fingerprint."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "caller")])
        now = datetime.now(UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .sign(self._key, hashes.SHA256())
        )
        self.fingerprint = fingerprint(self._certificate)

    def context(self) -> SSL.Context:
        """For one connection; the peer's certificate is checked by its fingerprint only."""
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.use_certificate(self._certificate)
        context.use_privatekey(self._key)
        context.set_tlsext_use_srtp(b":".join(_PROFILES))
        return context


def fingerprint(certificate: x509.Certificate) -> str:
    """sha-256 in upper case with colons, as SDP has it (RFC 8122 §5)."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


class Dtls:
    """One association: ``receive`` datagrams, send what ``pending`` returns.

    ``step`` is to be called at the start and after each ``receive`` until it is true.
    """

    def __init__(self, identity: Identity, *, is_client: bool) -> None:
        self._is_client = is_client
        self._ssl = SSL.Connection(identity.context(), None)
        self._ssl.set_ciphertext_mtu(_MTU_BYTES)
        if is_client:
            self._ssl.set_connect_state()
        else:
            self._ssl.set_accept_state()

    def step(self) -> bool:
        """Go on with the handshake; whether it is done.  Raises ``OpenSSL.SSL.Error``."""
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    def repeat(self) -> None:
        """To be called now and then: what was lost is sent again when that is due."""
        self._ssl.DTLSv1_handle_timeout()

    def receive(self, datagram: bytes) -> None:
        self._ssl.bio_write(datagram)

    def pending(self) -> list[bytes]:
        """The datagrams that are to be sent now."""
        datagrams = []
        while True:
            try:
                datagrams.append(self._ssl.bio_read(1500))
            except SSL.WantReadError:
                return datagrams

    def is_closed(self) -> bool:
        """Whether the peer has said goodbye; reads what waits, and throws it away."""
        try:
            self._ssl.recv(4096)
        except SSL.WantReadError:
            return False
        except SSL.Error:
            return True
        return False

    def close(self) -> None:
        """Say goodbye: ``pending`` then has the alert."""
        try:
            self._ssl.shutdown()
        except SSL.Error:
            pass

    def peer_fingerprint(self) -> str:
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        return "" if certificate is None else fingerprint(certificate)

    def srtp(self) -> tuple[Session, Session]:
        """The sessions to send and to receive with, after the handshake."""
        number, key, salt = _PROFILES[self._ssl.get_selected_srtp_profile()]
        block = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client = block[:key] + block[2 * key : 2 * key + salt]
        server = block[key : 2 * key] + block[2 * key + salt :]
        ours, theirs = (client, server) if self._is_client else (server, client)
        send = Policy(ours, Policy.SSRC_ANY_OUTBOUND, srtp_profile=number)
        receive = Policy(theirs, Policy.SSRC_ANY_INBOUND, srtp_profile=number)
        receive.window_size = 1024
        return Session(send), Session(receive)

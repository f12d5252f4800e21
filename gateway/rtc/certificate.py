"""The certificate the gateway shows in DTLS, one for the whole process.

Nobody signs it: a peer knows it by its fingerprint, which the SDP answer
carries (RFC 8122).  The SSL context that shows it is costly, a hundred times a
connection, so it is made here, once, and every call shares it.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

from gateway.rtc.srtp import PROFILES

DIGESTS = ("sha-512", "sha-384", "sha-256")  # of a peer's fingerprints, the strongest first
VALID_DAYS = 30
RENEWAL_DAYS = 7  # before its end: no call that starts now may outlive it

_DTLS_1_2 = 0xFEFD
# The key exchange is always ephemeral and the cipher authenticated.  The RSA
# suites are for servers with an RSA certificate (GStreamer, many SFUs).
_SUITES = b":".join(
    b"ECDHE-%s-%s" % (signature, cipher)
    for cipher in (b"AES128-GCM-SHA256", b"AES256-GCM-SHA384", b"CHACHA20-POLY1305")
    for signature in (b"ECDSA", b"RSA")
)


class FingerprintCheck:
    """Whether a peer is the one its SDP describes (RFC 8122 §5).

    Of several fingerprints those of the strongest known digest count, and the
    certificate must have one of them.  ``matched`` is ``None`` until the peer
    has shown a certificate.

    ``fingerprints`` are pairs of digest and value, as in SDP; letters may be
    of either case.  With no known digest among them nothing matches.
    """

    __slots__ = ("digest", "matched", "values")

    def __init__(self, fingerprints: Sequence[tuple[str, str]]) -> None:
        known = [(digest.lower(), value.upper()) for digest, value in fingerprints]
        self.digest = next((d for d in DIGESTS if any(d == digest for digest, _ in known)), "")
        self.values = frozenset(value for digest, value in known if digest == self.digest)
        self.matched: bool | None = None

    def look(self, certificate: crypto.X509) -> bool:
        """Judge the certificate a peer has shown, and remember the judgement."""
        if self.digest:
            shown = certificate.digest(self.digest.replace("-", "")).decode()
            self.matched = shown in self.values
        else:
            self.matched = False
        return self.matched


class Certificate:
    """A self-signed ECDSA P-256 certificate with its key and SSL context.

    It is valid for 30 days from ``now_utc`` (an aware time; default: now).
    ``fingerprint`` is the sha-256 value for SDP.  Connections of ``context``
    ask :class:`FingerprintCheck`, their application data, about the peer.
    """

    def __init__(self, now_utc: datetime.datetime | None = None) -> None:
        now = now_utc or datetime.datetime.now(datetime.UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(key, now)
        self.expires_at = certificate.not_valid_after_utc
        self.fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        self.context = _context(key, certificate)

    def needs_renewal(self, now_utc: datetime.datetime) -> bool:
        """Whether new calls should be given a new certificate."""
        return now_utc >= self.expires_at - datetime.timedelta(days=RENEWAL_DAYS)


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, os.urandom(16).hex())])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # clocks of peers differ
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .sign(key, hashes.SHA256())
    )


def _context(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(_DTLS_1_2)
    # A resumed session would show no certificate, and so nothing to check.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(
        SSL.OP_NO_TICKET
        | SSL.OP_NO_QUERY_MTU
        | SSL.OP_NO_RENEGOTIATION
        | SSL.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _verify)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.set_cipher_list(_SUITES)
    context.set_tlsext_use_srtp(b":".join(f"SRTP_{name}".encode() for name in PROFILES))
    return context


def _verify(
    connection: SSL.Connection, certificate: crypto.X509, _error: int, depth: int, _ok: int
) -> bool:
    """Who signed it and until when says nothing here; the peer's own fingerprint says all."""
    check = connection.get_app_data()
    return depth > 0 or (isinstance(check, FingerprintCheck) and check.look(certificate))

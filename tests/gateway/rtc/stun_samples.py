"""STUN messages for tests: RFC 5769's vectors, and requests made with the standard library.

Nothing here uses the gateway's codec or aioice's.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import itertools
import struct

USERNAME, INTEGRITY, PRIORITY, USE_CANDIDATE = 0x0006, 0x0008, 0x0024, 0x0025
FINGERPRINT, ICE_CONTROLLED, ICE_CONTROLLING = 0x8028, 0x8029, 0x802A
COOKIE = bytes.fromhex("2112a442")

# RFC 5769: password, and the transaction id of §2.1 to §2.3.
RFC_PWD = "VOkJxbRl1RmTxUk/WvJxBt"
RFC_TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
# §2.1: SOFTWARE, PRIORITY, ICE-CONTROLLED, USERNAME "evtj:h6vY", integrity, fingerprint.
RFC_REQUEST = bytes.fromhex(
    "00010058 2112a442 b7e7a701bc34d686fa87dfae"
    "80220010 5354554e207465737420636c69656e74"
    "00240004 6e0001ff"
    "80290008 932ff9b151263b36"
    "00060009 6576746a3a68367659202020"
    "00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004 e57a3bcf"
)
# §2.2 and §2.3: the XOR-MAPPED-ADDRESS of the answers.
RFC_IPV4 = ("192.0.2.1", 32853)
RFC_IPV4_MAPPED = bytes.fromhex("00200008 0001a147e112a643")
RFC_IPV6 = ("2001:db8:1234:5678:11:2233:4455:6677", 32853)
RFC_IPV6_MAPPED = bytes.fromhex("00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9")

_ids = itertools.count(1)


def attribute(kind: int, value: bytes = b"") -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def message(kind: int, transaction: bytes, body: bytes) -> bytes:
    return struct.pack("!HH", kind, len(body)) + COOKIE + transaction + body


def sign(whole: bytes, pwd: str) -> bytes:
    size = struct.pack("!H", len(whole) - 20 + 24)
    digest = hmac.digest(pwd.encode(), whole[:2] + size + whole[4:], hashlib.sha1)
    return whole[:2] + size + whole[4:] + attribute(INTEGRITY, digest)


def stamp(whole: bytes) -> bytes:
    whole = whole[:2] + struct.pack("!H", len(whole) - 20 + 8) + whole[4:]
    return whole + attribute(FINGERPRINT, struct.pack("!I", binascii.crc32(whole) ^ 0x5354554E))


def check(
    username: str,
    pwd: str,
    *,
    nominate: bool = False,
    role: int = ICE_CONTROLLING,
    extra: bytes = b"",
    behind: bytes = b"",
    transaction: bytes | None = None,
    fingerprint: bool = True,
) -> bytes:
    """A connectivity check; ``extra`` is signed, ``behind`` follows the signature."""
    body = attribute(USERNAME, username.encode()) + attribute(PRIORITY, b"\x6e\0\1\xff")
    body += attribute(role, bytes(8)) + extra
    if nominate:
        body += attribute(USE_CANDIDATE)
    transaction = transaction or next(_ids).to_bytes(12, "big")
    whole = sign(message(1, transaction, body), pwd)
    if behind:
        whole = whole[:2] + struct.pack("!H", len(whole) - 20 + len(behind)) + whole[4:] + behind
    return stamp(whole) if fingerprint else whole


def attributes(whole: bytes) -> dict[int, bytes]:
    found, at = {}, 20
    while at < len(whole):
        kind, length = struct.unpack_from("!HH", whole, at)
        found[kind] = whole[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4
    return found


def error_code(answer: bytes | None) -> int:
    """Of a binding error response; 0 of a success response."""
    assert answer is not None
    kind = struct.unpack_from("!H", answer)[0]
    if kind == 0x0101:
        return 0
    assert kind == 0x0111
    value = attributes(answer)[0x0009]
    return value[2] * 100 + value[3]

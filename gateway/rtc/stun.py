"""STUN binding requests read, and answers to them written (RFC 8489), as ICE uses them.

Strangers can send anything to the port, so reading has two depths.  ``is_stun`` and
``local_ufrag`` look at a few bytes and tell whom a datagram is for; ``parse_request``
reads it whole and is for those who hold its credentials.  None of them raises.  Signing
is aioice's; its parser is not used, because it forgets attributes it does not know, which
must be named in an answer, and takes the last of several where the first counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from ipaddress import IPv6Address, ip_address
from struct import pack, unpack_from

from aioice.stun import message_fingerprint, message_integrity, xor_data

BINDING_REQUEST = 0x0001
BINDING_INDICATION = 0x0011

BAD_REQUEST = 400
UNAUTHENTICATED = 401
UNKNOWN_ATTRIBUTE = 420
ROLE_CONFLICT = 487

MAX_MESSAGE_BYTES = 1500  # RFC 8489 §6.1 keeps requests below the path's MTU
MAX_ATTRIBUTES = 32  # four times what any client sends

_HEADER_BYTES = 20
_COOKIE = b"\x21\x12\xa4\x42"
_SUCCESS = 0x0101
_ERROR = 0x0111

_USERNAME = 0x0006
_MESSAGE_INTEGRITY = 0x0008
_ERROR_CODE = 0x0009
_UNKNOWN_ATTRIBUTES = 0x000A
_XOR_MAPPED_ADDRESS = 0x0020
_PRIORITY = 0x0024
_USE_CANDIDATE = 0x0025
_FINGERPRINT = 0x8028
_ICE_CONTROLLED = 0x8029

_MAPPED_ADDRESS, _REALM, _NONCE = 0x0001, 0x0014, 0x0015
_FIRST_OPTIONAL = 0x8000
_UNDERSTOOD = {
    _MAPPED_ADDRESS,
    _USERNAME,
    _MESSAGE_INTEGRITY,
    _ERROR_CODE,
    _UNKNOWN_ATTRIBUTES,
    _REALM,
    _NONCE,
    _XOR_MAPPED_ADDRESS,
    _PRIORITY,
    _USE_CANDIDATE,
}
_REASONS = {
    BAD_REQUEST: b"Bad Request",
    UNAUTHENTICATED: b"Unauthenticated",
    UNKNOWN_ATTRIBUTE: b"Unknown Attribute",
    ROLE_CONFLICT: b"Role Conflict",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A well-formed binding request; nothing in it is to be believed before ``is_signed_with``.

    ``unknown`` are the comprehension-required attributes the gateway does not understand
    (RFC 8489 §6.3.1).  ``nominates``: it has USE-CANDIDATE; ``is_controlled``: it has
    ICE-CONTROLLED (RFC 8445 §7.1).  Attributes behind MESSAGE-INTEGRITY are not in here.
    """

    transaction_id: bytes
    username: str | None
    integrity: bytes | None
    unknown: tuple[int, ...]
    nominates: bool
    is_controlled: bool
    _signed: bytes

    def is_signed_with(self, key: bytes) -> bool:
        """Whether MESSAGE-INTEGRITY is there and was made with this key."""
        if self.integrity is None:
            return False
        return compare_digest(self.integrity, message_integrity(self._signed, key))


def is_stun(datagram: bytes) -> bool:
    """Whether a datagram is a STUN message: first byte 0 to 3 (RFC 7983), cookie and length."""
    return (
        len(datagram) >= _HEADER_BYTES
        and datagram[0] <= 3
        and datagram[4:8] == _COOKIE
        and (datagram[2] << 8 | datagram[3]) == len(datagram) - _HEADER_BYTES
        and not len(datagram) & 3
    )


def is_keepalive(datagram: bytes) -> bool:
    """Whether this is a binding indication, which asks for nothing (RFC 8445 §11)."""
    return is_stun(datagram) and unpack_from("!H", datagram)[0] == BINDING_INDICATION


def local_ufrag(datagram: bytes) -> str | None:
    """The receiver's fragment in the USERNAME of a binding request ("local:remote").

    Cheap, to find the agent a check is for; nothing is verified.  ``None`` for anything else.
    """
    if not _is_binding_request(datagram):
        return None
    for kind, at, length in _attributes(datagram):
        if kind == _USERNAME:
            local, colon, _ = datagram[at : at + length].partition(b":")
            return local.decode("ascii") if local and colon and local.isascii() else None
        if kind == _MESSAGE_INTEGRITY:
            break
    return None


def parse_request(datagram: bytes) -> Request | None:
    """A binding request, or ``None`` for anything that is none or is malformed.

    FINGERPRINT may be absent; where it is, it has to be right and the last attribute.
    """
    if not _is_binding_request(datagram):
        return None
    username = integrity = None
    signed = b""
    unknown: list[int] = []
    nominates = is_controlled = False
    end = _HEADER_BYTES
    for kind, at, length in _attributes(datagram):
        end = at + length + (-length & 3)
        if kind == _FINGERPRINT:
            expected = message_fingerprint(datagram[: at - 4])
            if datagram[at:] != pack("!I", expected):
                return None
        elif integrity is not None:
            continue  # not covered by the signature: RFC 8489 §14.5
        elif kind == _MESSAGE_INTEGRITY:
            if length != 20:
                return None
            signed, integrity = datagram[: at - 4], datagram[at : at + 20]
        elif kind == _USERNAME:
            if username is None:
                username = datagram[at : at + length].decode("utf-8", "replace")
        elif kind == _USE_CANDIDATE:
            nominates = True
        elif kind == _ICE_CONTROLLED:
            is_controlled = True
        elif kind < _FIRST_OPTIONAL and kind not in _UNDERSTOOD:
            unknown.append(kind)
    if end != len(datagram):
        return None
    return Request(
        transaction_id=datagram[8:20],
        username=username,
        integrity=integrity,
        unknown=tuple(unknown),
        nominates=nominates,
        is_controlled=is_controlled,
        _signed=signed,
    )


def success(transaction_id: bytes, address: tuple[str, int], key: bytes) -> bytes:
    """The answer to a request that came from ``address`` (host, port): where it came from."""
    mapped = _xor_mapped(transaction_id, address)
    return _finish(_SUCCESS, transaction_id, _attribute(_XOR_MAPPED_ADDRESS, mapped), key)


def failure(
    transaction_id: bytes, code: int, key: bytes | None, unknown: Sequence[int] = ()
) -> bytes:
    """An error response; signed where ``key`` is given (RFC 8489 §9.1.3 says when it must not)."""
    body = _attribute(_ERROR_CODE, pack("!HBB", 0, code // 100, code % 100) + _REASONS[code])
    if unknown:
        body += _attribute(_UNKNOWN_ATTRIBUTES, pack(f"!{len(unknown)}H", *unknown))
    return _finish(_ERROR, transaction_id, body, key)


def _is_binding_request(datagram: bytes) -> bool:
    return datagram[:2] == b"\x00\x01" and len(datagram) <= MAX_MESSAGE_BYTES and is_stun(datagram)


def _attributes(datagram: bytes) -> Iterator[tuple[int, int, int]]:
    """Type, offset of the value and its length; ends early at one that is too long or too many."""
    at, size = _HEADER_BYTES, len(datagram)
    for _ in range(MAX_ATTRIBUTES):
        if at + 4 > size:
            return
        kind, length = unpack_from("!HH", datagram, at)
        if at + 4 + length > size:
            return
        yield kind, at + 4, length
        at += 4 + length + (-length & 3)


def _attribute(kind: int, value: bytes) -> bytes:
    return pack("!HH", kind, len(value)) + value + bytes(-len(value) & 3)


def _xor_mapped(transaction_id: bytes, address: tuple[str, int]) -> bytes:
    host = ip_address(address[0].partition("%")[0])
    if isinstance(host, IPv6Address) and host.ipv4_mapped is not None:
        host = host.ipv4_mapped  # what a socket for both families says of IPv4
    family = b"\x00\x01" if host.version == 4 else b"\x00\x02"
    return family + xor_data(pack("!H", address[1]) + host.packed, transaction_id)


def _finish(kind: int, transaction_id: bytes, body: bytes, key: bytes | None) -> bytes:
    message = pack("!HH4s12s", kind, len(body), _COOKIE, transaction_id) + body
    if key is not None:
        message += _attribute(_MESSAGE_INTEGRITY, message_integrity(message, key))
    message += _attribute(_FINGERPRINT, pack("!I", message_fingerprint(message)))
    return message[:2] + pack("!H", len(message) - _HEADER_BYTES) + message[4:]

"""Packets that aiortc would stumble over, told from those it takes.

A peer that has finished its handshake is still a stranger: one packet must not
stop the loop for everybody.  Pure functions over bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack_from

MAX_SSRCS = 16  # of one sender; an RTCP report has room for 31
MAX_GAP_TSNS = 4096  # acknowledged out of order; more than a window ever holds
MAX_CHUNKS = 64  # of one packet, as many of 20 bytes as the usual MTU has room for

_HEADER_BYTES = 12
_SACK = 3
# Chunk types that are made of parameters, and where these begin (RFC 9260 §3.3, RFC 6525).
_PARAMETERS_AT = {1: 16, 2: 16, 4: 0, 5: 0, 6: 0, 9: 0, 130: 0}


def is_harmless_sctp(packet: bytes) -> bool:
    """Whether aiortc can parse an SCTP packet in time that its size accounts for.

    Chunks and parameters shorter than their own headers would be read for ever;
    gap blocks of SACKs (RFC 9260 §3.3.4) that span far more than was ever
    under way would be counted one by one.
    """
    at, chunks, gap_tsns = _HEADER_BYTES, 0, 0
    while at + 4 <= len(packet):
        kind, length = packet[at], unpack_from("!H", packet, at + 2)[0]
        chunks += 1
        if length < 4 or at + length > len(packet) or chunks > MAX_CHUNKS:
            return False
        body = packet[at + 4 : at + length]
        if kind == _SACK:
            if len(body) < 12:
                return False
            gap_tsns += sum(_gap_tsns(body))
            if gap_tsns > MAX_GAP_TSNS:
                return False
        if kind in _PARAMETERS_AT and not _has_whole_parameters(body[_PARAMETERS_AT[kind] :]):
            return False
        at += length + -length % 4
    return True


def _gap_tsns(body: bytes) -> Iterator[int]:
    count = unpack_from("!H", body, 8)[0]
    for at in range(12, min(12 + 4 * count, len(body) - 3), 4):
        first, last = unpack_from("!HH", body, at)
        yield max(0, last - first + 1)


def _has_whole_parameters(body: bytes) -> bool:
    at = 0
    while at + 4 <= len(body):
        length = unpack_from("!H", body, at + 2)[0]
        if length < 4:
            return False
        at += length + -length % 4
    return True

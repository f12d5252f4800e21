"""RTP headers written and read (RFC 3550 §5.1)."""

from __future__ import annotations

import struct

_HEADER = struct.Struct("!BBHII")


def header(payload_type: int, sequence: int, timestamp: int, ssrc: int) -> bytes:
    """Twelve bytes: no padding, no extension, no contributing sources, no marker."""
    return _HEADER.pack(0x80, payload_type, sequence, timestamp, ssrc)


def is_rtp(datagram: bytes) -> bool:
    """Neither STUN nor DTLS nor RTCP (RFC 7983 §7, RFC 5761 §4)."""
    return len(datagram) >= 12 and 127 < datagram[0] < 192 and not 192 <= datagram[1] <= 223


def read(packet: bytes) -> tuple[int, int, bytes]:
    """Sequence number, timestamp and payload.  Raises :exc:`ValueError`."""
    if len(packet) < 12 or packet[0] >> 6 != 2:
        raise ValueError("not an RTP packet")
    first, _, sequence, timestamp, _ = _HEADER.unpack_from(packet)
    begin = 12 + 4 * (first & 0x0F)
    end = len(packet)
    if first & 0x10:
        if end < begin + 4:
            raise ValueError("the header extension is cut")
        begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4], "big")
    if first & 0x20:
        end -= packet[-1]
    if begin > end:
        raise ValueError("the packet is cut")
    return sequence, timestamp, packet[begin:end]

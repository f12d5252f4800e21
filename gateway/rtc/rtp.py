"""RTP packets (RFC 3550 §5.1) as the engine needs them: a header read in place, one written.

Fifty of them a second come in every call, so nothing is made of a packet that
nobody asked for: :func:`parse` gives a tuple, the payload is cut by its bounds.
"""

from __future__ import annotations

from random import SystemRandom
from struct import Struct

HEADER_BYTES = 12
_FIXED = Struct("!BBHII")
_EXTENSION = Struct("!HH")
_ONE_BYTE, _TWO_BYTE = 0xBEDE, 0x1000  # RFC 8285 §4.2 and §4.3, the latter's low bits are free

_random = SystemRandom()

# payload type, marker, sequence, timestamp, ssrc, where the payload begins and ends
Header = tuple[int, bool, int, int, int, int, int]


def parse(packet: bytes) -> Header | None:
    """The header of an RTP packet, ``None`` when it is none or does not add up."""
    size = len(packet)
    if size < HEADER_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(packet)
    if first == 0x80:
        return second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, HEADER_BYTES, size
    if first & 0xC0 != 0x80:
        return None
    begin = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if size < begin + 4:
            return None
        begin += 4 + 4 * _EXTENSION.unpack_from(packet, begin)[1]
    end = size
    if first & 0x20:  # the last octet says how much padding there is, itself included
        padding = packet[-1]
        if not padding:
            return None
        end -= padding
    if begin > end:
        return None
    return second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, begin, end


def extension(packet: bytes, wanted_id: int) -> bytes | None:
    """The header extension element with this id (RFC 8285), of a packet that :func:`parse` took.

    ``None`` when there is none.
    """
    first = packet[0]
    if not first & 0x10:
        return None
    at = HEADER_BYTES + 4 * (first & 0x0F)
    profile, words = _EXTENSION.unpack_from(packet, at)
    at += 4
    end = min(at + 4 * words, len(packet))
    if profile == _ONE_BYTE:
        return _one_byte_element(packet, at, end, wanted_id)
    if profile & 0xFFF0 == _TWO_BYTE:
        return _two_byte_element(packet, at, end, wanted_id)
    return None


def _one_byte_element(packet: bytes, at: int, end: int, wanted_id: int) -> bytes | None:
    while at < end:
        head = packet[at]
        at += 1
        if head == 0:  # padding
            continue
        id_, size = head >> 4, (head & 0x0F) + 1
        if id_ == 15 or at + size > end:
            return None
        if id_ == wanted_id:
            return packet[at : at + size]
        at += size
    return None


def _two_byte_element(packet: bytes, at: int, end: int, wanted_id: int) -> bytes | None:
    while at + 1 < end:
        id_, size = packet[at], packet[at + 1]
        if id_ == 0:
            at += 1
            continue
        at += 2
        if at + size > end:
            return None
        if id_ == wanted_id:
            return packet[at : at + size]
        at += size
    return None


def audio_level(packet: bytes, extension_id: int) -> tuple[int, bool] | None:
    """The level in -dBov (0 loud, 127 silent) and whether it is voice (RFC 6464)."""
    element = extension(packet, extension_id)
    return (element[0] & 0x7F, element[0] > 0x7F) if element else None


class RtpWriter:
    """Packets of one outgoing stream: sequence numbers run on, timestamps are the caller's.

    Both begin at random values (RFC 3550 §5.1).  ``packets`` and ``octets`` count payload
    sent, for sender reports.
    """

    def __init__(self, ssrc: int | None = None) -> None:
        self.ssrc = random_ssrc() if ssrc is None else ssrc
        self.timestamp_offset = _random.getrandbits(32)
        self.packets = self.octets = 0
        self._sequence = _random.getrandbits(15)  # far from the first wrap, for SRTP's sake

    def packet(self, payload: bytes, payload_type: int, ticks: int, *, marker: bool) -> bytes:
        """``ticks`` of the payload's clock since the stream began, without the random offset."""
        self._sequence = sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        second = payload_type | 0x80 if marker else payload_type
        timestamp = (ticks + self.timestamp_offset) & 0xFFFFFFFF
        return _FIXED.pack(0x80, second, sequence, timestamp, self.ssrc) + payload


def random_ssrc() -> int:
    return _random.getrandbits(32) or 1

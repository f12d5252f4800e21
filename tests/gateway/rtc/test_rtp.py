"""RTP headers read and written, with aiortc's own packets as the witness."""

from __future__ import annotations

import struct

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtc import rtp

pytestmark = pytest.mark.unit

PLAIN = struct.pack("!BBHII", 0x80, 0xEF, 65535, 0xFFFFFFFE, 0xDEADBEEF)
LEVEL, MID = 3, 4


def extended(profile: int, elements: bytes, *, csrcs: int = 0, rest: bytes = b"sound") -> bytes:
    elements += bytes(-len(elements) % 4)
    head = bytes((0x90 | csrcs, 111)) + PLAIN[2:] + bytes(4 * csrcs)
    return head + struct.pack("!HH", profile, len(elements) // 4) + elements + rest


def payload_of(packet: bytes) -> bytes:
    header = rtp.parse(packet)
    assert header is not None
    return packet[header[5] : header[6]]


def test_a_plain_header_is_read() -> None:
    packet = PLAIN + b"sound"
    assert rtp.parse(packet) == (111, True, 65535, 0xFFFFFFFE, 0xDEADBEEF, 12, 17)


def test_the_payload_stands_between_sources_extensions_and_padding() -> None:
    packet = extended(0xBEDE, b"\x30\x85", csrcs=3, rest=b"sound\0\0\3")
    packet = bytes((packet[0] | 0x20,)) + packet[1:]
    assert payload_of(packet) == b"sound"
    assert RtpPacket.parse(packet).payload == b"sound"


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        PLAIN[:11],
        b"\x40" + PLAIN[1:],  # version 1
        b"\x8f" + PLAIN[1:],  # fifteen sources, none there
        b"\x90" + PLAIN[1:] + b"\xbe\xde",  # half an extension header
        b"\x90" + PLAIN[1:] + b"\xbe\xde\0\2abcd",  # a word less than announced
        b"\xa0" + PLAIN[1:] + b"sound\0",  # padding that does not count itself
        b"\xa0" + PLAIN[1:] + b"ab\4",  # padding that reaches into the header
        b"\xa0" + PLAIN[1:],
    ],
)
def test_what_does_not_add_up_is_no_packet(packet: bytes) -> None:
    assert rtp.parse(packet) is None
    with pytest.raises(ValueError):
        RtpPacket.parse(packet)


def test_padding_may_be_all_there_is() -> None:
    assert payload_of(b"\xa0" + PLAIN[1:] + b"\0\0\0\4") == b""


def test_elements_of_one_byte_headers_are_found() -> None:
    packet = extended(0xBEDE, b"\0\0\x11ab\0\x30\x85")
    assert rtp.extension(packet, 1) == b"ab"
    assert rtp.extension(packet, LEVEL) == b"\x85"
    assert rtp.extension(packet, 2) is None
    assert rtp.audio_level(packet, LEVEL) == (5, True)
    assert payload_of(packet) == b"sound"


def test_elements_of_two_byte_headers_are_found() -> None:
    packet = extended(0x1000, b"\0\x10\0\x03\x01\x7f\x20\x03abc")
    assert rtp.extension(packet, 0x10) == b""
    assert rtp.extension(packet, 0x20) == b"abc"
    assert rtp.audio_level(packet, LEVEL) == (127, False)
    assert rtp.audio_level(packet, 0x10) is None
    assert rtp.extension(extended(0x1005, b"\x20\x01x"), 0x20) == b"x"  # appbits are free


def test_id_fifteen_ends_one_byte_headers() -> None:
    assert rtp.extension(extended(0xBEDE, b"\xf0a\x10b"), 1) is None


def test_a_cut_element_and_unknown_profiles_are_passed_over() -> None:
    assert rtp.extension(extended(0xBEDE, b"\x3fab"), LEVEL) is None
    assert rtp.extension(extended(0x1000, b"\x03\x09ab"), LEVEL) is None
    assert rtp.extension(extended(0xABCD, b"\x30\x85"), LEVEL) is None
    assert rtp.extension(PLAIN, LEVEL) is None


def aiortc_extensions() -> HeaderExtensionsMap:
    known = HeaderExtensionsMap()
    uris = {LEVEL: "urn:ietf:params:rtp-hdrext:ssrc-audio-level"}
    uris[MID] = "urn:ietf:params:rtp-hdrext:sdes:mid"
    known.configure(
        RTCRtpParameters(
            headerExtensions=[
                RTCRtpHeaderExtensionParameters(id=id_, uri=uri) for id_, uri in uris.items()
            ]
        )
    )
    return known


@given(
    st.integers(0, 127),
    st.booleans(),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.lists(st.integers(0, 0xFFFFFFFF), max_size=15),
    st.binary(max_size=50),
    st.integers(0, 255),
    st.one_of(st.none(), st.tuples(st.booleans(), st.integers(0, 127))),
    st.text("abc019", min_size=1, max_size=20),  # above 16 characters: two-byte headers
)
def test_what_aiortc_writes_is_read(
    payload_type: int,
    marker: bool,
    sequence: int,
    timestamp: int,
    ssrc: int,
    sources: list[int],
    payload: bytes,
    padding: int,
    level: tuple[bool, int] | None,
    mid: str,
) -> None:
    theirs = RtpPacket(payload_type, int(marker), sequence, timestamp, ssrc, payload)
    theirs.csrc = sources
    theirs.padding_size = padding
    theirs.extensions.mid = mid
    theirs.extensions.audio_level = level
    packet = theirs.serialize(aiortc_extensions())
    header = rtp.parse(packet)
    assert header is not None
    assert header[:5] == (payload_type, marker, sequence, timestamp, ssrc)
    assert payload_of(packet) == payload
    assert rtp.extension(packet, MID) == mid.encode()
    assert rtp.audio_level(packet, LEVEL) == (None if level is None else (level[1], level[0]))


@given(st.binary(max_size=80), st.integers(0, 255))
def test_any_bytes_are_read_or_refused_as_aiortc_does(noise: bytes, first: int) -> None:
    packet = bytes((first,)) + noise
    header = rtp.parse(packet)
    try:
        theirs = RtpPacket.parse(packet)
    except ValueError:
        # aiortc refuses for its elements what is otherwise whole.
        assert header is None or packet[0] & 0x10
        theirs = None
    if header is None:
        assert theirs is None
        return
    assert 12 <= header[5] <= header[6] <= len(packet)
    if theirs is not None:
        assert packet[header[5] : header[6]] == theirs.payload
        assert header[2:5] == (theirs.sequence_number, theirs.timestamp, theirs.ssrc)
    for id_ in (1, LEVEL, 15, 200):
        rtp.extension(packet, id_)
        rtp.audio_level(packet, id_)


def test_aiortc_reads_what_is_written() -> None:
    writer = rtp.RtpWriter(0x12345678)
    before = None
    for ticks in (0, 960, 0x1_0000_0000 + 5):
        packet = writer.packet(b"sound", 111, ticks, marker=ticks == 960)
        theirs = RtpPacket.parse(packet)
        assert (theirs.payload_type, theirs.ssrc, theirs.payload) == (111, 0x12345678, b"sound")
        assert theirs.marker == (ticks == 960)
        assert (theirs.timestamp - writer.timestamp_offset) & 0xFFFFFFFF == ticks & 0xFFFFFFFF
        assert before is None or theirs.sequence_number == before + 1
        before = theirs.sequence_number
    assert (writer.packets, writer.octets) == (3, 15)


def test_sequence_numbers_wrap_and_begin_at_random() -> None:
    writer = rtp.RtpWriter()
    heard = [rtp.parse(writer.packet(b"", 0, 0, marker=False)) for _ in range(0x10001)]
    numbers = [header[2] for header in heard if header is not None]
    assert numbers[0] == numbers[-1]
    assert all((b - a) & 0xFFFF == 1 for a, b in zip(numbers, numbers[1:], strict=False))
    others = [rtp.RtpWriter() for _ in range(8)]
    assert len({other.ssrc for other in others}) == 8
    assert len({other.timestamp_offset for other in others}) == 8

"""Packets that would stop the loop, and those that must pass."""

from __future__ import annotations

import struct

import pytest
from aiortc.rtcsctptransport import (
    DataChunk,
    HeartbeatChunk,
    InitChunk,
    SackChunk,
    parse_packet,
    serialize_packet,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtc.guard import is_harmless_sctp

pytestmark = pytest.mark.unit


def packet(kind: int, body: bytes) -> bytes:
    return struct.pack("!HHLLBBH", 5000, 5000, 1, 0, kind, 0, 4 + len(body)) + body


def sack(*gaps: tuple[int, int]) -> bytes:
    body = struct.pack("!LLHH", 1, 1000, len(gaps), 0)
    return packet(3, body + b"".join(struct.pack("!HH", *gap) for gap in gaps))


def test_what_aiortc_sends_passes() -> None:
    heartbeat, init, acknowledgement, data = HeartbeatChunk(), InitChunk(), SackChunk(), DataChunk()
    heartbeat.params = [(1, b"1234567")]
    init.params = [(32776, b"\x82"), (49152, b"")]
    acknowledgement.gaps = [(2, 3), (7, 700)]
    data.user_data = b"hello"
    for chunk in (heartbeat, init, acknowledgement, data):
        whole = serialize_packet(5000, 5000, 1, chunk)
        assert is_harmless_sctp(whole)
        parse_packet(whole)


@pytest.mark.parametrize(
    "hostile",
    [
        packet(4, struct.pack("!HH", 1, 0)),
        packet(130, struct.pack("!HH", 13, 3)),
        packet(1, bytes(16) + struct.pack("!HH", 1, 0)),
        packet(0, b"")[:-2] + b"\0\0",
        packet(0, b"abc")[:-1],
        sack((1, 65535)),
        sack(*[(1, 1000)] * 280),
        packet(3, b"short"),
    ],
)
def test_what_would_be_read_for_ever_does_not_pass(hostile: bytes) -> None:
    assert not is_harmless_sctp(hostile)


@given(st.binary(max_size=200), st.sampled_from([0, 1, 3, 4, 6, 130]))
def test_any_bytes_are_judged(body: bytes, kind: int) -> None:
    is_harmless_sctp(body)
    is_harmless_sctp(packet(kind, body))

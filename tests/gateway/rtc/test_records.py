"""Where a DTLS record ends."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtc.records import (
    clear_records,
    is_client_hello,
    join_records,
    record_end,
    renumber,
    whole_records,
)

pytestmark = pytest.mark.unit

sizes = st.lists(st.integers(0, 1500), max_size=12)


def record(size: int, kind: int = 22) -> bytes:
    return struct.pack("!BHHHLH", kind, 0xFEFD, 0, 0, 7, size) + bytes(size)


def test_a_record_ends_where_its_header_says() -> None:
    assert record_end(record(40) + record(3), 0) == 53
    assert record_end(record(40) + record(3), 53) == 69


def test_the_short_header_of_dtls_1_3_is_read() -> None:
    with_length = bytes([0x2C, 0, 1, 0, 5]) + bytes(5)
    assert record_end(with_length + b"more", 0) == len(with_length)
    assert record_end(bytes([0x24, 1, 0, 5]) + bytes(5), 0) == 9
    assert record_end(bytes([0x28, 0, 1]) + bytes(30), 0) == 33
    assert record_end(bytes([0x2C, 0, 1, 0, 5]) + bytes(4), 0) == 0
    assert record_end(bytes([0x3C, 9, 0, 1, 0, 5]) + bytes(5), 0) == 0, "a connection id"


@pytest.mark.parametrize("datagram", [b"", record(9)[:-1], record(9)[:12], record(9, 24), b"GET /"])
def test_what_is_no_whole_record_counts_for_nothing(datagram: bytes) -> None:
    assert whole_records(datagram) == 0


def test_whole_records_before_a_torn_one_count() -> None:
    assert whole_records(record(9) + record(30)[:-1]) == 22


@given(sizes)
def test_datagrams_hold_the_stream_in_order_and_fit(records: list[int]) -> None:
    stream = b"".join(map(record, records))
    datagrams = join_records(stream, 1200)
    assert b"".join(datagrams) == stream
    for datagram in datagrams:
        assert whole_records(datagram) == len(datagram)
        assert len(datagram) <= 1200 or record_end(datagram, 0) == len(datagram)
    for first, second in zip(datagrams, datagrams[1:], strict=False):
        assert len(first) + record_end(second, 0) > 1200, "as full as may be"


@given(st.binary(max_size=80), st.integers(0, 90))
def test_any_bytes_are_measured(data: bytes, at: int) -> None:
    assert at <= record_end(data, at) <= max(at, len(data))
    assert 0 <= whole_records(data) <= len(data)
    is_client_hello(data)
    assert len(renumber(data, 5)) == len(data)


def test_only_records_in_the_clear_get_new_numbers() -> None:
    sealed = bytearray(record(5))
    sealed[4] = 1
    stream = record(3) + record(4) + bytes(sealed)
    assert clear_records(stream) == 2
    moved = renumber(stream, 250)
    assert [moved[at + 5 : at + 11].hex() for at in (0, 16, 33)] == [
        "000000000101",
        "000000000101",
        "000000000007",
    ]
    assert renumber(moved, -250) == stream

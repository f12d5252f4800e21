"""Statistics as RFC 3550 has them, and reports that aiortc reads and writes."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from aiortc.rtp import (
    RtcpByePacket,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtc.rtcp import REPORT_S, Reception, RtcpSession
from gateway.rtc.rtp import RtpWriter

pytestmark = pytest.mark.unit

CLOCK_HZ = 48_000
OURS, THEIRS = 0x11111111, 0x22222222
UNIX_S = 1_700_000_000.25


def hear(reception: Reception, *sequences: int) -> None:
    for sequence in sequences:
        reception.hear(sequence & 0xFFFF, 0, 0.0)


def session(now: float = 100.0) -> RtcpSession:
    return RtcpSession(RtpWriter(OURS), "livegate", now=now, unix_s=UNIX_S + now - 100.0)


def report_of(rtcp: RtcpSession, now: float, ticks: int = 0) -> list[Any]:
    compound = rtcp.report(ticks, now)
    assert compound is not None
    return RtcpPacket.parse(compound)


# Statistics


def test_nothing_is_lost_of_a_whole_stream() -> None:
    reception = Reception(THEIRS, 5, CLOCK_HZ)
    hear(reception, *range(5, 105))
    assert (reception.received, reception.expected, reception.lost) == (100, 100, 0)
    assert reception.block(0, 0).fraction_lost == 0


def test_holes_are_lost_and_late_packets_are_not() -> None:
    reception = Reception(THEIRS, 0, CLOCK_HZ)
    hear(reception, 0, 1, 4, 5, 2)
    assert (reception.expected, reception.lost) == (6, 1)
    hear(reception, 5, 5)  # doubles count as received, as in the RFC
    assert reception.lost == -1
    assert reception.block(0, 0).packets_lost == -1


def test_the_fraction_is_of_the_time_since_the_last_report() -> None:
    reception = Reception(THEIRS, 0, CLOCK_HZ)
    hear(reception, *range(0, 100, 2), 99)
    assert reception.block(0, 0).fraction_lost == 49 * 256 // 100
    hear(reception, *range(100, 200))
    block = reception.block(0, 0)
    assert (block.fraction_lost, block.packets_lost, block.highest_sequence) == (0, 49, 199)
    assert reception.block(0, 0).fraction_lost == 0  # nothing was expected


def test_sequence_numbers_wrap() -> None:
    reception = Reception(THEIRS, 65_530, CLOCK_HZ)
    hear(reception, *(number for number in range(65_530, 65_550) if number != 65_536))
    assert (reception.expected, reception.lost) == (20, 1)
    assert reception.block(0, 0).highest_sequence == 0x10000 + 13
    hear(reception, 65_536)  # late, and from behind the wrap
    assert reception.lost == 0
    hear(reception, *range(65_550, 65_550 + 0x10000))
    assert (reception.expected, reception.lost) == (20 + 0x10000, 0)


def test_a_late_packet_from_before_the_wrap_does_not_wrap_again() -> None:
    reception = Reception(THEIRS, 65_534, CLOCK_HZ)
    hear(reception, 65_534, 0, 65_535, 1)
    assert (reception.expected, reception.lost) == (4, 0)


@pytest.mark.parametrize("begin", [20_000, 60_000])
def test_a_jump_that_lasts_begins_anew(begin: int) -> None:
    reception = Reception(THEIRS, 30_000, CLOCK_HZ)
    hear(reception, *range(30_000, 30_010))
    hear(reception, *range(begin, begin + 50))
    assert (reception.expected, reception.received, reception.lost) == (49, 49, 0)
    assert reception.block(0, 0).fraction_lost == 0


@pytest.mark.parametrize("stray", [20_000, 60_000])
def test_one_stray_packet_changes_nothing(stray: int) -> None:
    reception = Reception(THEIRS, 30_000, CLOCK_HZ)
    hear(reception, *range(30_000, 30_010), stray, *range(30_010, 30_020))
    assert (reception.expected, reception.received, reception.lost) == (20, 20, 0)


def rfc_jitter(packets: list[tuple[int, float]]) -> float:
    """RFC 3550 A.8 in floating point."""
    jitter, transit = 0.0, None
    for timestamp, arrival in packets:
        before, transit = transit, arrival * CLOCK_HZ - timestamp
        if before is not None:
            jitter += (abs(transit - before) - jitter) / 16
    return jitter


def test_jitter_is_that_of_the_rfc() -> None:
    chance = random.Random(1)
    packets = [(n * 960, 7.0 + n * 0.02 + chance.uniform(0, 0.03)) for n in range(200)]
    reception = Reception(THEIRS, 0, CLOCK_HZ)
    for number, (timestamp, arrival) in enumerate(packets):
        reception.hear(number, timestamp, arrival)
    assert reception.jitter_ticks == int(rfc_jitter(packets)) > 100


def test_an_even_stream_has_no_jitter_and_a_timestamp_may_wrap() -> None:
    reception = Reception(THEIRS, 0, CLOCK_HZ)
    for number in range(100):
        timestamp = (0xFFFFFFFF - 48_000 + number * 960) & 0xFFFFFFFF
        reception.hear(number, timestamp, number * 0.02)
    assert reception.jitter_ticks == 0


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)), max_size=80))
def test_any_stream_gives_blocks_that_can_be_sent(packets: list[tuple[int, int]]) -> None:
    reception = Reception(THEIRS, packets[0][0] if packets else 0, CLOCK_HZ)
    for number, (sequence, timestamp) in enumerate(packets):
        reception.hear(sequence, timestamp, number * 0.02)
        block = reception.block(0, 0)
        block.highest_sequence &= 0xFFFFFFFF
        assert RtcpReceiverInfo.parse(bytes(block)) == block


# Reports out


def test_reports_are_due_once_a_second_by_chance() -> None:
    rtcp, now, times = session(), 100.0, []
    while now < 160.0:
        if rtcp.report(0, now) is not None:
            times.append(now)
        now += 0.01
    gaps = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert 50 < len(gaps) < 75
    assert all(0.5 * REPORT_S <= gap <= 1.5 * REPORT_S + 0.02 for gap in gaps)
    assert max(gaps) - min(gaps) > 0.3
    assert rtcp.reports_sent == len(times)
    assert rtcp.deadline() > times[-1]


def test_who_sends_nothing_makes_receiver_reports() -> None:
    rtcp = session()
    rtcp.hear_rtp(THEIRS, 9, 0, CLOCK_HZ, 100.0)
    report, description = report_of(rtcp, 101.0)
    assert isinstance(report, RtcpRrPacket) and report.ssrc == OURS
    assert [block.ssrc for block in report.reports] == [THEIRS]
    assert isinstance(description, RtcpSdesPacket)
    assert description.chunks[0].items == [(1, b"livegate")]


def test_who_sends_makes_sender_reports_with_both_clocks() -> None:
    writer = RtpWriter(OURS)
    rtcp = RtcpSession(writer, "livegate", now=100.0, unix_s=UNIX_S)
    writer.packet(b"12345", 111, 960, marker=True)
    report = report_of(rtcp, 102.0, ticks=96_000)[0]
    assert isinstance(report, RtcpSrPacket) and report.reports == []
    sent = report.sender_info
    assert sent.ntp_timestamp / (1 << 32) == pytest.approx(UNIX_S + 2 + 2_208_988_800, abs=1e-3)
    assert (sent.rtp_timestamp - writer.timestamp_offset) & 0xFFFFFFFF == 96_000
    assert (sent.packet_count, sent.octet_count) == (1, 5)
    assert isinstance(report_of(rtcp, 104.0)[0], RtcpRrPacket)  # nothing since


def test_goodbye_is_behind_a_report() -> None:
    report, _, goodbye = RtcpPacket.parse(session().goodbye(0, 100.0))
    assert isinstance(report, RtcpRrPacket)
    assert isinstance(goodbye, RtcpByePacket) and goodbye.sources == [OURS]


def test_the_block_names_the_last_sender_report_of_its_stream_only() -> None:
    rtcp = session()
    rtcp.hear_rtp(THEIRS, 9, 0, CLOCK_HZ, 100.0)
    info = RtcpSenderInfo(0x0123456789ABCDEF, 0, 1, 1)
    rtcp.receive(bytes(RtcpSrPacket(THEIRS, info)), 100.0)
    block = report_of(rtcp, 101.5)[0].reports[0]
    assert (block.lsr, block.dlsr) == (0x456789AB, 3 * 32768)
    rtcp.hear_rtp(0x33333333, 9, 0, CLOCK_HZ, 102.0)
    block = report_of(rtcp, 104.0)[0].reports[0]
    assert (block.ssrc, block.lsr, block.dlsr) == (0x33333333, 0, 0)


# Reports in


def block(**changes: int) -> RtcpReceiverInfo:
    fields = {"ssrc": OURS, "fraction_lost": 64, "packets_lost": 5, "highest_sequence": 9}
    return RtcpReceiverInfo(**{**fields, "jitter": 77, "lsr": 0, "dlsr": 0, **changes})


def test_what_the_peer_says_of_our_stream_is_kept() -> None:
    rtcp = session()
    rtcp.receive(bytes(RtcpRrPacket(THEIRS, [block(ssrc=1), block()])), 100.0)
    assert rtcp.peer is not None
    assert (rtcp.peer.fraction_lost, rtcp.peer.packets_lost) == (0.25, 5)
    assert (rtcp.peer.jitter_ticks, rtcp.peer.round_trip_s) == (77, None)


def test_the_round_trip_is_measured() -> None:
    writer = RtpWriter(OURS)
    rtcp = RtcpSession(writer, "livegate", now=100.0, unix_s=UNIX_S)
    writer.packet(b"1", 111, 0, marker=True)
    sent = report_of(rtcp, 101.0)[0].sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF
    answer = RtcpRrPacket(THEIRS, [block(lsr=sent, dlsr=65536 // 2)])
    rtcp.receive(bytes(answer), 101.62)
    assert rtcp.peer is not None and rtcp.peer.round_trip_s is not None
    assert rtcp.peer.round_trip_s == pytest.approx(0.12, abs=1e-3)
    rtcp.receive(bytes(RtcpRrPacket(THEIRS, [block(lsr=sent, dlsr=65536)])), 101.62)
    assert rtcp.peer.round_trip_s == 0.0  # less than none


def test_bytes_made_by_hand_are_read() -> None:
    rtcp = session()
    hand = bytes.fromhex("81c90007 22222222 11111111 80fffffe 00010005 00000020 00000000 00000000")
    rtcp.receive(hand, 100.0)
    assert rtcp.peer is not None
    assert (rtcp.peer.fraction_lost, rtcp.peer.packets_lost) == (0.5, -2)
    rtcp.receive(
        bytes.fromhex("80c80006 22222222 e000000180000000 00000005 00000001 00000002"), 9.0
    )
    rtcp.receive(bytes.fromhex("81cb0001 22222222"), 9.0)
    assert rtcp.bye
    assert (rtcp.reports_heard, rtcp.unreadable) == (3, 0)


def test_a_goodbye_of_another_stream_is_not_the_callers() -> None:
    rtcp = session()
    rtcp.hear_rtp(THEIRS, 1, 0, CLOCK_HZ, 100.0)
    rtcp.receive(bytes(RtcpByePacket([5])), 100.0)
    assert not rtcp.bye
    rtcp.receive(bytes(RtcpByePacket([5, THEIRS])), 100.0)
    assert rtcp.bye


def test_two_sessions_understand_each_other() -> None:
    a, b = RtpWriter(OURS), RtpWriter(THEIRS)
    ours = RtcpSession(a, "a", now=0.0, unix_s=UNIX_S)
    theirs = RtcpSession(b, "b", now=0.0, unix_s=UNIX_S)
    now = 0.0
    for number in range(500):
        now = number * 0.02
        a.packet(b"x" * 10, 111, number * 960, marker=False)
        if number % 10:
            theirs.hear_rtp(OURS, number, number * 960, CLOCK_HZ, now)
        for one, other in ((ours, theirs), (theirs, ours)):
            report = one.report(number * 960, now)
            if report is not None:
                other.receive(report, now + 0.05)
    assert ours.peer is not None
    assert ours.peer.fraction_lost == pytest.approx(0.1, abs=0.04)
    assert 40 <= ours.peer.packets_lost <= 50
    assert ours.peer.round_trip_s == pytest.approx(0.1, abs=0.01)


@given(st.binary(max_size=100), st.integers(200, 206), st.integers(0, 31))
def test_any_bytes_are_read_or_counted(noise: bytes, kind: int, count: int) -> None:
    rtcp = session()
    rtcp.receive(noise, 100.0)
    body = noise[: len(noise) // 4 * 4]
    rtcp.receive(struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body, 100.0)
    assert rtcp.reports_heard + rtcp.unreadable == 2


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_mutated_reports_do_no_harm(at: int, change: bytes) -> None:
    rtcp = session()
    rtcp.hear_rtp(THEIRS, 9, 0, CLOCK_HZ, 100.0)
    compound = bytearray(session().goodbye(0, 100.0) + bytes(RtcpRrPacket(THEIRS, [block()])))
    compound[at % len(compound) : at % len(compound) + len(change)] = change
    rtcp.receive(bytes(compound), 100.0)
    assert rtcp.report(0, 102.0) is not None

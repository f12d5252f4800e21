"""RTCP (RFC 3550 §6) of one call: what is told of the two streams, and what is heard.

:class:`Reception` keeps the statistics of a stream that comes in (appendix A),
:class:`RtcpSession` makes reports of it and of our own stream when they are due, and
reads what the peer reports.  Packets come and go unencrypted; time is passed in.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from typing import Final

from aiortc.rtp import (
    RtcpByePacket,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    clamp_packets_lost,
)

from gateway.rtc.rtp import RtpWriter

REPORT_S: Final = 1.0  # on average; RFC 3550 §6.2 wants the interval to vary by half
_CNAME: Final = 1
_NTP_EPOCH_S: Final = 2_208_988_800  # 1900 to 1970
_MAX_DROPOUT: Final = 3000  # RFC 3550 A.1
_MAX_MISORDER: Final = 100


@dataclass(frozen=True, slots=True)
class PeerReport:
    """What the peer says of the stream we send: its newest report block."""

    fraction_lost: float  # 0 to 1, since the report before
    packets_lost: int
    jitter_ticks: int
    round_trip_s: float | None


class Reception:
    """Statistics of one incoming stream (RFC 3550 A.1, A.3, A.8)."""

    __slots__ = (
        "_base",
        "_cycles",
        "_expected_prior",
        "_highest",
        "_jitter",
        "_received_prior",
        "_stray",
        "_transit",
        "clock_hz",
        "received",
        "ssrc",
    )

    def __init__(self, ssrc: int, sequence: int, clock_hz: int) -> None:
        self.ssrc = ssrc
        self.clock_hz = clock_hz
        self.received = 0
        self._base = self._highest = sequence
        self._cycles = 0
        self._stray = -1  # what would follow a packet that was far from all others
        self._jitter = 0.0
        self._transit: float | None = None
        self._expected_prior = self._received_prior = 0

    def hear(self, sequence: int, timestamp: int, now: float) -> None:
        """A packet of the stream has arrived, in whatever order."""
        step = (sequence - self._highest) & 0xFFFF
        if 0 < step < _MAX_DROPOUT:
            if sequence < self._highest:
                self._cycles += 0x10000
            self._highest = sequence
        elif 0 < step <= 0x10000 - _MAX_MISORDER:
            if sequence != self._stray:
                self._stray = (sequence + 1) & 0xFFFF
                return
            # Two in a row: the sender began anew.
            self._base = self._highest = sequence
            self._cycles = self.received = self._expected_prior = self._received_prior = 0
        self.received += 1
        transit = now * self.clock_hz - timestamp
        if self._transit is not None:
            change = abs(transit - self._transit)
            if change < self.clock_hz:  # more is a timestamp that wrapped or jumped
                self._jitter += (change - self._jitter) / 16
        self._transit = transit

    @property
    def jitter_ticks(self) -> int:
        return int(self._jitter)

    @property
    def expected(self) -> int:
        return self._cycles + self._highest - self._base + 1

    @property
    def lost(self) -> int:
        """Packets that never came; late ones and doubles make it smaller, as the RFC has it."""
        return self.expected - self.received

    def block(self, lsr: int, dlsr: int) -> RtcpReceiverInfo:
        """The report block since the last one."""
        expected = self.expected - self._expected_prior
        lost = expected - (self.received - self._received_prior)
        self._expected_prior, self._received_prior = self.expected, self.received
        fraction = min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0
        return RtcpReceiverInfo(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            packets_lost=clamp_packets_lost(self.lost),
            highest_sequence=self._cycles + self._highest,
            jitter=self.jitter_ticks,
            lsr=lsr,
            dlsr=dlsr,
        )


class RtcpSession:
    """Reports out, reports in.

    ``unix_s`` is the wall clock at the moment ``now``, for the NTP time of sender reports.
    """

    def __init__(self, writer: RtpWriter, cname: str, *, now: float, unix_s: float) -> None:
        self._writer = writer
        self._cname = cname.encode()
        self._unix_offset_s = unix_s - now
        self._random = random.Random(writer.ssrc)
        self._due_s = now + REPORT_S / 2
        self._packets_reported = 0
        self._lsr, self._lsr_ssrc, self._lsr_s = 0, 0, 0.0
        self.reception: Reception | None = None
        self.peer: PeerReport | None = None
        self.bye = False
        self.reports_sent = self.reports_heard = self.unreadable = 0

    def hear_rtp(self, ssrc: int, sequence: int, timestamp: int, clock_hz: int, now: float) -> None:
        """An RTP packet has arrived; statistics are of the newest stream."""
        reception = self.reception
        if reception is None or reception.ssrc != ssrc or reception.clock_hz != clock_hz:
            self.reception = reception = Reception(ssrc, sequence, clock_hz)
        reception.hear(sequence, timestamp, now)

    def receive(self, packet: bytes, now: float) -> None:
        """Read a compound packet; what cannot be read is counted."""
        try:
            parts = RtcpPacket.parse(packet)
        except (ValueError, IndexError, struct.error):
            self.unreadable += 1
            return
        self.reports_heard += 1
        for part in parts:
            if isinstance(part, RtcpSrPacket):
                self._lsr = (part.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
                self._lsr_ssrc, self._lsr_s = part.ssrc, now
                self._hear_reports(part.reports, now)
            elif isinstance(part, RtcpRrPacket):
                self._hear_reports(part.reports, now)
            elif isinstance(part, RtcpByePacket):
                reception = self.reception
                self.bye = self.bye or reception is None or reception.ssrc in part.sources

    def deadline(self) -> float:
        """When the next report is due."""
        return self._due_s

    def report(self, ticks: int, now: float) -> bytes | None:
        """The compound packet that is due now, or ``None``.

        ``ticks`` is the time ``now`` on the clock of our stream, as
        :meth:`RtpWriter.packet` counts it.
        """
        if now < self._due_s:
            return None
        self._due_s = now + REPORT_S * self._random.uniform(0.5, 1.5)
        self.reports_sent += 1
        return self._compound(ticks, now)

    def goodbye(self, ticks: int, now: float) -> bytes:
        """The last report with a BYE behind it (RFC 3550 §6.6)."""
        return self._compound(ticks, now) + bytes(RtcpByePacket([self._writer.ssrc]))

    def _compound(self, ticks: int, now: float) -> bytes:
        writer, reception = self._writer, self.reception
        blocks = []
        if reception is not None:
            lsr = self._lsr if self._lsr_ssrc == reception.ssrc else 0
            dlsr = int((now - self._lsr_s) * 65536) & 0xFFFFFFFF if lsr else 0
            blocks.append(reception.block(lsr, dlsr))
        description = RtcpSdesPacket([RtcpSourceInfo(writer.ssrc, [(_CNAME, self._cname)])])
        if writer.packets == self._packets_reported:
            return bytes(RtcpRrPacket(writer.ssrc, blocks)) + bytes(description)
        self._packets_reported = writer.packets
        sender = RtcpSenderInfo(
            ntp_timestamp=self._ntp(now),
            rtp_timestamp=(ticks + writer.timestamp_offset) & 0xFFFFFFFF,
            packet_count=writer.packets & 0xFFFFFFFF,
            octet_count=writer.octets & 0xFFFFFFFF,
        )
        return bytes(RtcpSrPacket(writer.ssrc, sender, blocks)) + bytes(description)

    def _hear_reports(self, reports: list[RtcpReceiverInfo], now: float) -> None:
        for block in reports:
            if block.ssrc == self._writer.ssrc:
                self.peer = PeerReport(
                    block.fraction_lost / 256,
                    block.packets_lost,
                    block.jitter,
                    self._round_trip_s(block, now),
                )

    def _round_trip_s(self, block: RtcpReceiverInfo, now: float) -> float | None:
        """RFC 3550 §6.4.1, figure 2."""
        if not block.lsr:
            return None
        middle = (self._ntp(now) >> 16) & 0xFFFFFFFF
        units = (middle - block.lsr - block.dlsr) & 0xFFFFFFFF
        return units / 65536 if units < 1 << 22 else 0.0  # a negative one is none

    def _ntp(self, now: float) -> int:
        return int((now + self._unix_offset_s + _NTP_EPOCH_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF

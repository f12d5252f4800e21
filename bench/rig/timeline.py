"""From times to figures: percentiles, talkspurts, latency, lateness.

All times are seconds of the monotonic clock, which every process of a machine shares.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

QUIET_S = 0.1  # sound after at least this much silence is an onset


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that is not below ``share`` (0 to 1) of all; ``None`` of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, -(-round(share * 1e6) * len(ordered) // 1_000_000) - 1)]


def onsets(loud: Sequence[tuple[float, float]]) -> list[float]:
    """When sound came after silence.

    ``loud`` is (time of arrival, place on the stream's own time line) of each piece with
    sound, both in seconds.  Silence is measured on the time line: a stall is none.
    """
    first: list[float] = []
    before: float | None = None
    for at_s, place_s in loud:
        if before is None or place_s - before >= QUIET_S:
            first.append(at_s)
        before = place_s
    return first


def latencies(caused_s: Sequence[float], seen_s: Sequence[float], limit_s: float) -> list[float]:
    """From each cause to the first effect after it, in seconds.

    A cause with no effect within ``limit_s`` has no latency: the list is shorter then.
    """
    found = []
    for cause in caused_s:
        at = bisect.bisect_left(seen_s, cause)
        if at < len(seen_s) and seen_s[at] - cause <= limit_s:
            found.append(seen_s[at] - cause)
    return found


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that arrived: when, its place on the 48 kHz time line, and its sound."""

    at_s: float
    timestamp: int
    is_loud: bool
    ends_loud: bool  # its last half, which a codec's delay does not reach


def talkspurts(packets: Sequence[Packet]) -> list[list[Packet]]:
    """The loud packets, cut where ``QUIET_S`` of the time line has none."""
    spurts: list[list[Packet]] = []
    for packet in packets:
        if packet.is_loud:
            if not spurts or apart_s(spurts[-1][-1], packet) >= QUIET_S:
                spurts.append([])
            spurts[-1].append(packet)
    return spurts


def apart_s(earlier: Packet, later: Packet) -> float:
    """The way between two packets on the time line, which wraps around at 2³²."""
    samples = (later.timestamp - earlier.timestamp + 0x80000000) % 0x100000000 - 0x80000000
    return samples / 48_000


def lateness(spurt: Sequence[Packet]) -> list[float]:
    """How far each packet of a talkspurt is behind its 20 ms grid, in seconds.

    The grid goes through the earliest packet: no packet is early, and a first packet that
    came late counts like any other.
    """
    if not spurt:
        return []
    offsets = [packet.at_s - apart_s(spurt[0], packet) for packet in spurt]
    earliest = min(offsets)
    return [offset - earliest for offset in offsets]


def tick_lateness(ticks_s: Sequence[float], period_s: float, group: int = 100) -> list[float]:
    """The same of a clock that should have ticked every ``period_s``, ``group`` by group."""
    late: list[float] = []
    for at in range(0, len(ticks_s), group):
        offsets = [tick - n * period_s for n, tick in enumerate(ticks_s[at : at + group])]
        late += [offset - min(offsets) for offset in offsets]
    return late


def after_cut(packets: Sequence[Packet], cut_s: float, limit_s: float) -> tuple[int, float]:
    """How many packets with sound came after a reply was cut, and the time to the last one.

    ``limit_s``: from when on sound is another reply's.
    """
    late = [p.at_s for p in packets if p.ends_loud and cut_s < p.at_s <= cut_s + limit_s]
    return len(late), late[-1] - cut_s if late else 0.0

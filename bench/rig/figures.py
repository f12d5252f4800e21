"""One row of the load table: what a run's processes tell, as figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.rig.metronome import PERIOD_S
from bench.rig.timeline import (
    Packet,
    after_cut,
    latencies,
    lateness,
    percentile,
    talkspurts,
    tick_lateness,
)

BUSY_PERCENT = 90.0  # another core above this: the run says nothing about the gateway
_EFFECT_S = 0.95  # an onset that is not seen by then is lost
_NEXT_REPLY_S = 0.9  # after a cut; the next reply comes later


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles in ms, and of how many values."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    count: int

    @classmethod
    def of(cls, values_s: Sequence[float]) -> Spread:
        def ms(share: float) -> float | None:
            value = percentile(values_s, share)
            return None if value is None else round(value * 1e3, 2)

        return cls(ms(0.5), ms(0.95), ms(0.99), len(values_s))


@dataclass(slots=True)
class Row:
    """One engine at one number of calls.  CPU is in per cent of one core."""

    engine: str
    calls: int
    connected: int
    failed: int
    gateway_percent: float
    gateway_percent_per_call: float
    callers_percent_per_call: float
    sink_percent_per_call: float
    rss_mb_per_call: float
    pss_mb_per_call: float
    client_to_live: Spread
    lost_onsets: int
    live_to_client: Spread
    lost_replies: int
    interrupted: Spread
    packets_after_interrupted: list[int]
    lateness: Spread
    timer_noise: Spread
    delivered_percent: float | None
    late_sends: int
    core_percent: dict[int, float]
    gateway_cores: list[int]
    is_valid: bool = True
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def heard_packets(call: Mapping[str, Any]) -> list[Packet]:
    return [Packet(*row) for row in call.get("heard", ())]


def latency_to_live(
    callers: Sequence[Mapping[str, Any]],
    sessions: Mapping[int, Mapping[str, Any]],
    window: tuple[float, float],
) -> tuple[Spread, int]:
    """From the packet with an onset to the message with it, and how many never came."""
    found: list[float] = []
    lost = 0
    for call in callers:
        if (session := sessions.get(call["call"])) is None:
            continue
        causes = _within(call.get("onsets_s", ()), window, _EFFECT_S)
        seen = latencies(causes, session["onsets_s"], _EFFECT_S)
        found += seen
        lost += len(causes) - len(seen)
    return Spread.of(found), lost


def latency_to_client(
    callers: Sequence[Mapping[str, Any]],
    sessions: Mapping[int, Mapping[str, Any]],
    window: tuple[float, float],
) -> tuple[Spread, int]:
    """From the first audio of a reply, as written, to the first packet with sound."""
    found: list[float] = []
    lost = 0
    for call in callers:
        if (session := sessions.get(call["call"])) is None:
            continue
        causes = _within(session["replies_s"], window, _EFFECT_S)
        spurts = [spurt[0].at_s for spurt in talkspurts(heard_packets(call))]
        seen = latencies(causes, spurts, _EFFECT_S)
        found += seen
        lost += len(causes) - len(seen)
    return Spread.of(found), lost


def pacing(callers: Sequence[Mapping[str, Any]], window: tuple[float, float]) -> Spread:
    """Packet lateness within the talkspurts that began in the window."""
    late: list[float] = []
    for call in callers:
        for spurt in talkspurts(heard_packets(call)):
            if window[0] <= spurt[0].at_s < window[1]:
                late += lateness(spurt)
    return Spread.of(late)


def cuts(
    callers: Sequence[Mapping[str, Any]], sessions: Mapping[int, Mapping[str, Any]]
) -> tuple[Spread, list[int]]:
    """From ``interrupted``, as written, to the last packet with sound; how many those were."""
    times: list[float] = []
    counts: list[int] = []
    for call in callers:
        packets = heard_packets(call)
        for cut_s in sessions.get(call["call"], {}).get("cuts_s", ()):
            count, last_s = after_cut(packets, cut_s, _NEXT_REPLY_S)
            counts.append(count)
            times.append(last_s)
    return Spread.of(times), counts


def noise(ticks_s: Sequence[float]) -> Spread:
    """The machine's own lateness, measured like that of packets."""
    return Spread.of(tick_lateness(ticks_s, PERIOD_S))


def judge(row: Row, gateway_percent: float) -> None:
    """Say what makes a row worthless, and what should be known when it is read."""
    others = {c: p for c, p in row.core_percent.items() if c not in row.gateway_cores}
    for core, percent in sorted(others.items()):
        if percent > BUSY_PERCENT:
            row.is_valid = False
            row.remarks.append(f"INVALID: core {core} was {percent:.0f} % busy")
    if not others:
        row.is_valid = False
        row.remarks.append("INVALID: one core for everything")
    own = sum(row.core_percent.get(core, 0.0) for core in row.gateway_cores)
    if own - gateway_percent > 15.0:
        row.remarks.append(
            f"others took {own - gateway_percent:.0f} % of the gateway's core: "
            "its latencies are theirs too"
        )
    if own > 97.0:
        row.remarks.append("the gateway's core was full")
    if row.failed:
        row.remarks.append(f"{row.failed} calls did not connect")
    if row.late_sends:
        row.remarks.append(f"the callers sent {row.late_sends} packets more than 5 ms late")


def _within(times_s: Sequence[float], window: tuple[float, float], margin_s: float) -> list[float]:
    return [at for at in times_s if window[0] <= at < window[1] - margin_s]

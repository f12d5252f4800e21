"""Times become figures."""

from __future__ import annotations

import pytest

from bench.rig.figures import Row, Spread, cuts, judge, latency_to_client, latency_to_live, pacing
from bench.rig.timeline import (
    Packet,
    after_cut,
    latencies,
    lateness,
    onsets,
    percentile,
    talkspurts,
    tick_lateness,
)

pytestmark = pytest.mark.unit


def spurt(
    begin_s: float, count: int, *, timestamp: int = 0, late: dict[int, float] | None = None
) -> list[Packet]:
    late = late or {}
    return [
        Packet(begin_s + n * 0.02 + late.get(n, 0.0), (timestamp + n * 960) % 2**32, True, True)
        for n in range(count)
    ]


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.5) == 7.0
    assert percentile([], 0.5) is None


def test_an_onset_is_sound_after_silence_of_the_time_line() -> None:
    steady = [(n * 0.02, n * 0.02) for n in range(5)]
    stalled = [(1.0, 0.1), (1.0, 0.12)]
    after_silence = [(1.5, 0.62)]
    assert onsets(steady + stalled + after_silence) == [0.0, 1.5]


def test_a_latency_runs_to_the_first_effect_and_not_for_ever() -> None:
    found = latencies([1.0, 2.0, 3.0], [0.9, 1.25, 2.5], 0.4)
    assert found == pytest.approx([0.25])


def test_talkspurts_end_where_the_time_line_has_a_gap() -> None:
    first, second = spurt(1.0, 5), spurt(1.2, 5, timestamp=48_000)
    assert talkspurts([*first, *second]) == [first, second]
    assert talkspurts([Packet(1.0, 0, False, False)]) == []


def test_lateness_is_against_the_earliest_packet_across_the_wrap() -> None:
    packets = spurt(5.0, 4, timestamp=2**32 - 960, late={0: 0.003, 2: 0.01})
    assert lateness(packets) == pytest.approx([0.003, 0.0, 0.01, 0.0])
    assert lateness([]) == []


def test_a_clock_is_judged_like_packets() -> None:
    ticks = [0.0, 0.02, 0.045, 0.06, 1.0, 1.02]
    assert tick_lateness(ticks, 0.02, group=4) == pytest.approx([0, 0, 0.005, 0, 0, 0])


def test_what_comes_after_a_cut() -> None:
    assert after_cut(spurt(1.0, 10), 1.05, 0.9) == (7, pytest.approx(0.13))
    assert after_cut(spurt(1.0, 3), 1.05, 0.9) == (0, 0.0)
    tail = [Packet(1.06, 0, True, False)]  # what a codec still holds of the packet before
    assert after_cut(tail, 1.05, 0.9) == (0, 0.0)


def test_a_run_is_put_together_by_call() -> None:
    heard = [(p.at_s, p.timestamp, True, True) for p in spurt(10.03, 20)]
    callers = [
        {"call": 0, "onsets_s": [10.0, 11.0, 12.0], "heard": heard},
        {"call": 9, "onsets_s": [10.0], "heard": heard},  # has no session
    ]
    sessions = {0: {"onsets_s": [10.002, 12.4], "replies_s": [10.02], "cuts_s": [10.2]}}
    window = (9.0, 13.0)
    to_live, lost = latency_to_live(callers, sessions, window)
    assert (to_live.count, lost) == (2, 1)
    assert to_live.p50_ms == pytest.approx(2.0)
    to_client, lost = latency_to_client(callers, sessions, window)
    assert (to_client.p50_ms, lost) == (pytest.approx(10.0), 0)
    assert pacing(callers, window) == Spread(0.0, 0.0, 0.0, 40)
    times, counts = cuts(callers, sessions)
    assert counts == [11] and times.p50_ms == pytest.approx(210.0)


def row(**changes: object) -> Row:
    nothing = Spread(None, None, None, 0)
    values: dict[str, object] = {
        "engine": "native", "calls": 5, "connected": 5, "failed": 0, "gateway_percent": 20.0,
        "gateway_percent_per_call": 4.0, "callers_percent_per_call": 0.3,
        "sink_percent_per_call": 0.1, "rss_mb_per_call": 1.0, "pss_mb_per_call": 1.0,
        "client_to_live": nothing, "lost_onsets": 0, "live_to_client": nothing,
        "lost_replies": 0, "interrupted": nothing, "packets_after_interrupted": [],
        "lateness": nothing, "timer_noise": nothing, "delivered_percent": None,
        "late_sends": 0, "core_percent": {0: 25.0, 1: 40.0}, "gateway_cores": [0],
    }  # fmt: skip
    return Row(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cores", "valid"),
    [
        ({0: 25.0, 1: 40.0}, True),
        ({0: 25.0, 1: 90.5}, False),
        ({0: 99.0, 1: 40.0}, True),  # the gateway's own may be full: that is a result
        ({0: 25.0}, False),  # nothing left for the others
    ],
)
def test_a_run_beside_a_busy_core_is_invalid(cores: dict[int, float], valid: bool) -> None:
    judged = row(core_percent=cores)
    judge(judged, 20.0)
    assert judged.is_valid is valid
    assert any("INVALID" in remark for remark in judged.remarks) is not valid


def test_a_shared_core_is_told() -> None:
    judged = row(core_percent={0: 60.0, 1: 40.0})
    judge(judged, 20.0)
    assert judged.is_valid and "40 %" in judged.remarks[0]

"""The measurements as a whole, small: every process of a real run, and a few calls."""

from __future__ import annotations

import json

import pytest

from bench import connect, load
from bench.rig import machine, table
from bench.rig.progress import Progress

pytestmark = pytest.mark.integration


def test_two_calls_make_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TALK_S", 0.3), ("PAUSE_S", 0.5), ("SETTLE_S", 0.2)):
        monkeypatch.setattr(load, name, value)
    row = load.run("aiortc", 2, 2.0, Progress(1), {})
    assert (row.connected, row.failed) == (2, 0)
    assert row.gateway_percent > 0
    assert row.delivered_percent and row.delivered_percent > 0
    assert row.client_to_live.count + row.lost_onsets > 0
    assert row.live_to_client.count + row.lost_replies > 0
    assert row.packets_after_interrupted
    assert row.timer_noise.count > 0
    json.dumps(row.as_dict())
    text = table.load_table([row], 0.35, machine.describe())
    assert "aiortc" in text and "0.35 %" in text


def test_a_call_is_timed_step_by_step() -> None:
    steps, failed = connect.measure("textbook", 1, {})
    assert failed == 0
    (one,) = steps
    assert min(one.answer_ms, one.ice_ms, one.dtls_ms, one.media_ms) > 0


def test_a_gateway_that_does_not_start_says_why() -> None:
    with pytest.raises(load.BenchError, match="LIVEGATE_IDLE_S"):
        connect.measure("aiortc", 1, {"LIVEGATE_IDLE_S": "soon"})

"""The event log: one counter, kept for a while, replayed in order."""

from __future__ import annotations

import json

import pytest

from gateway.events import KEPT_EVENTS, KEPT_MS, EventLog

pytestmark = pytest.mark.unit


class Listener:
    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []

    def __call__(self, text: str) -> None:
        self.events.append(json.loads(text))

    def seqs(self) -> list[object]:
        return [event["seq"] for event in self.events]


def test_nothing_is_told_before_hello_and_everything_after() -> None:
    listener = Listener()
    log = EventLog(listener)
    log.publish("call.state", 10, state="listening")
    assert listener.events == []
    log.replay(0, 20, call_id="call_1")
    log.publish("turn.started", 30, turn=1)
    assert [event["type"] for event in listener.events] == [
        "call.ready",
        "call.state",
        "turn.started",
    ]
    ready, state, _ = listener.events
    assert ready["replayed"] == 1
    assert ready["call_id"] == "call_1"
    assert state["t_ms"] == 10
    assert state["state"] == "listening"
    assert str(state["event_id"]).startswith("evt_")


def test_a_client_that_comes_back_gets_what_it_missed_in_order() -> None:
    listener = Listener()
    log = EventLog(listener)
    for number in range(5):
        log.publish("turn.started", number, turn=number)
    log.replay(3, 99)
    assert listener.seqs() == [3, 4, 5]
    assert listener.events[0]["replayed"] == 2


def test_only_the_newest_thousand_are_kept() -> None:
    listener = Listener()
    log = EventLog(listener)
    for number in range(KEPT_EVENTS + 10):
        log.publish("turn.started", number, turn=number)
    log.replay(0, 0)
    assert listener.seqs()[1:] == list(range(11, KEPT_EVENTS + 11))


def test_events_are_kept_for_ten_minutes() -> None:
    listener = Listener()
    log = EventLog(listener)
    log.publish("turn.started", 0, turn=1)
    log.publish("turn.started", KEPT_MS, turn=2)
    log.publish("turn.started", KEPT_MS + 1, turn=3)
    log.replay(0, KEPT_MS + 1)
    assert listener.seqs()[1:] == [2, 3]

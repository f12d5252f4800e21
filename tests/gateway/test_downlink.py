"""Playout: bursts in, even frames out, and nothing left after an interruption."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.downlink import AHEAD_FRAMES, LIMIT_BYTES, PlayoutBuffer, PlayoutEvent
from gateway.peer import DOWNLINK_FRAME_BYTES as FRAME_BYTES

pytestmark = pytest.mark.unit


def playing(pcm: bytes) -> tuple[PlayoutBuffer, list[PlayoutEvent]]:
    events: list[PlayoutEvent] = []
    buffer = PlayoutBuffer(events.append)
    buffer.push(pcm)
    return buffer, events


@given(st.lists(st.binary(max_size=3000), max_size=20))
def test_what_is_pulled_is_what_was_pushed_padded_to_whole_frames(pieces: list[bytes]) -> None:
    events: list[PlayoutEvent] = []
    buffer = PlayoutBuffer(events.append)
    for piece in pieces:
        buffer.push(piece)
    buffer.finish()
    pulled = b""
    while (frame := buffer.pull()) is not None:
        assert len(frame) == FRAME_BYTES
        pulled += frame
    audio = b"".join(pieces)
    assert pulled == audio.ljust(-(-len(audio) // FRAME_BYTES) * FRAME_BYTES, b"\0")
    assert events == ([PlayoutEvent.STARTED, PlayoutEvent.DRAINED] if audio else [])


def test_an_unfinished_reply_waits_for_whole_frames_and_counts_the_underrun() -> None:
    buffer, events = playing(bytes(FRAME_BYTES + 100))
    assert buffer.pull() == bytes(FRAME_BYTES)
    assert buffer.pull() is None
    assert buffer.underruns == 1
    buffer.push(bytes(FRAME_BYTES - 100))
    assert buffer.pull() == bytes(FRAME_BYTES)
    assert events == [PlayoutEvent.STARTED]


def test_clear_leaves_nothing_behind() -> None:
    buffer, events = playing(bytes(FRAME_BYTES * 50))
    buffer.pull()
    assert buffer.waiting_ms == 980
    buffer.clear()
    assert buffer.waiting_ms == 0
    assert buffer.pull() is None
    assert buffer.heard_ms == 20
    assert buffer.underruns == 0
    assert events == [PlayoutEvent.STARTED]


def test_the_next_reply_starts_from_zero() -> None:
    buffer, events = playing(bytes(FRAME_BYTES * 3))
    buffer.pull()
    buffer.clear()
    buffer.push(bytes(FRAME_BYTES))
    buffer.finish()
    assert buffer.pull() is not None
    assert buffer.heard_ms == 20
    assert buffer.pull() is None
    assert events == [PlayoutEvent.STARTED, PlayoutEvent.STARTED, PlayoutEvent.DRAINED]


def test_two_replies_play_in_turn_and_each_is_told_apart() -> None:
    buffer, events = playing(bytes(FRAME_BYTES + 2))
    buffer.finish()
    buffer.push(bytes(FRAME_BYTES))
    buffer.finish()
    pulled = [buffer.pull() for _ in range(4)]
    assert [frame is not None for frame in pulled] == [True, True, True, False]
    assert buffer.heard_ms == 20
    started, drained = PlayoutEvent.STARTED, PlayoutEvent.DRAINED
    assert events == [started, drained, started, drained]


def test_a_reply_without_sound_never_starts() -> None:
    buffer, events = playing(b"")
    buffer.finish()
    assert buffer.pull() is None
    assert events == []


def test_long_replies_are_kept_whole() -> None:
    minute = bytes(48000 * 60)
    buffer, _ = playing(minute)
    buffer.push(minute)
    assert buffer.waiting_ms == 120_000
    for _ in range(1500):
        assert buffer.pull() is not None
    assert buffer.waiting_ms == 90_000


def test_memory_is_bounded_and_the_loss_counted() -> None:
    buffer, _ = playing(bytes(LIMIT_BYTES))
    buffer.push(bytes(1000))
    assert buffer.overflow_bytes == 1000
    assert buffer.pull() is not None
    buffer.push(bytes(960))
    assert buffer.overflow_bytes == 1000


@pytest.mark.unit
@given(st.lists(st.one_of(st.binary(min_size=1, max_size=4000), st.none()), max_size=20), st.data())
def test_frames_encoded_ahead_are_the_same_frames_in_the_same_order(
    pieces: list[bytes | None], data: st.DataObject
) -> None:
    plain_events: list[PlayoutEvent] = []
    events: list[PlayoutEvent] = []
    plain, ahead = PlayoutBuffer(plain_events.append), PlayoutBuffer(events.append)
    ahead.encode_with(lambda pcm: b"e" + pcm)
    expected, played = [], []
    for piece in pieces:
        for buffer in (plain, ahead):
            if piece is None:
                buffer.finish()
            else:
                buffer.push(piece)
        assert plain.waiting_ms == pytest.approx(ahead.waiting_ms, abs=20)
        for _ in range(data.draw(st.integers(0, 3))):
            ahead.prepare()
        for _ in range(data.draw(st.integers(0, 4))):
            expected.append(plain.pull())
            played.append(ahead.pull())
    assert played == [None if frame is None else b"e" + frame for frame in expected]
    assert events == plain_events
    assert ahead.heard_ms == plain.heard_ms


@pytest.mark.unit
def test_no_more_is_encoded_ahead_than_an_interruption_may_waste() -> None:
    encoded: list[bytes] = []
    buffer = PlayoutBuffer(lambda event: None)
    buffer.encode_with(lambda pcm: encoded.append(pcm) or b"e")
    buffer.push(bytes(FRAME_BYTES * 50))
    for _ in range(50):
        buffer.prepare()
    assert len(encoded) == AHEAD_FRAMES
    assert buffer.waiting_ms == 1000
    buffer.clear()
    assert buffer.pull() is None
    assert buffer.waiting_ms == 0

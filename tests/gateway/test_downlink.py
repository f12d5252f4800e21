"""Playout: bursts in, even frames out, and nothing left after an interruption."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.downlink import LIMIT_BYTES, PlayoutBuffer, PlayoutEvent
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

"""Uplink: frames out of arriving audio, silence out of none, and a slow service."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ticker import Ticker
from gateway.uplink import FRAME_BYTES, SILENT_FRAME, Due, Uplink, UplinkBuffer

FRAME = bytes(range(256)) * 2 + bytes(128)
assert len(FRAME) == FRAME_BYTES == 640


def drain(buffer: UplinkBuffer, now: float) -> list[bytes | Due]:
    taken: list[bytes | Due] = []
    while (due := buffer.take(now)) is not Due.NOTHING:
        taken.append(due)
    return taken


@pytest.mark.unit
@given(st.lists(st.binary(max_size=2000), max_size=30))
def test_frames_are_the_audio_cut_and_nothing_else(pieces: list[bytes]) -> None:
    buffer = UplinkBuffer(limit_frames=1000)
    for piece in pieces:
        buffer.push(piece, 0.0)
    audio = b"".join(pieces)
    whole = len(audio) // FRAME_BYTES * FRAME_BYTES
    assert b"".join(f for f in drain(buffer, 0.0) if isinstance(f, bytes)) == audio[:whole]


@pytest.mark.unit
def test_a_full_buffer_drops_the_oldest_and_counts() -> None:
    buffer = UplinkBuffer(limit_frames=3)
    for number in range(5):
        buffer.push(bytes([number]) * FRAME_BYTES, 0.0)
    taken = b"".join(due for due in drain(buffer, 0.0) if isinstance(due, bytes))
    assert [taken[at] for at in range(0, len(taken), FRAME_BYTES)] == [2, 3, 4]
    assert buffer.dropped_frames == 2
    assert buffer.frames == 3


@pytest.mark.unit
def test_silence_begins_60_ms_after_the_last_audio_and_fills_the_time_line() -> None:
    buffer = UplinkBuffer()
    assert buffer.deadline() is None
    assert buffer.take(5.0) is Due.NOTHING
    buffer.push(FRAME, 10.0)
    assert buffer.take(10.0) == FRAME
    assert buffer.deadline() == pytest.approx(10.06)
    assert buffer.take(10.059) is Due.NOTHING
    assert drain(buffer, 10.061) == [SILENT_FRAME] * 3
    assert buffer.deadline() == pytest.approx(10.08)
    assert drain(buffer, 10.501) == [SILENT_FRAME] * 22
    assert buffer.silence_frames == 25


@pytest.mark.unit
def test_after_a_second_the_stream_is_ended_once_and_reopened_by_audio() -> None:
    buffer = UplinkBuffer()
    buffer.push(FRAME, 0.0)
    drain(buffer, 0.0)
    assert drain(buffer, 1.0)[-1] is Due.STREAM_END
    assert buffer.deadline() is None
    assert drain(buffer, 50.0) == []
    buffer.push(FRAME, 60.0)
    assert drain(buffer, 60.0) == [FRAME]
    assert buffer.deadline() == pytest.approx(60.06)


@pytest.mark.unit
def test_a_late_loop_sends_the_silence_it_owes_before_the_end() -> None:
    buffer = UplinkBuffer()
    buffer.push(FRAME, 0.0)
    drain(buffer, 0.0)
    drain(buffer, 0.905)
    assert buffer.silence_frames == 45


class SlowLive:
    """A live session that takes frames only when it is let."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.ended = asyncio.Event()
        self.room = 0

    @property
    def can_write(self) -> bool:
        return self.room > 0

    def write_audio(self, pcm: bytes) -> None:
        assert self.can_write
        self.room -= 1
        self.sent.append(pcm)

    def write_audio_stream_end(self) -> None:
        self.ended.set()


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.integration
async def test_a_frame_has_left_when_push_returns() -> None:
    heard: list[bytes] = []
    uplink = Uplink(
        on_frame=heard.append, on_overrun=lambda count: None, clock=lambda: 0.0, ticker=Ticker()
    )
    live = SlowLive()
    live.room = 10
    task = asyncio.create_task(uplink.run(live))
    await asyncio.sleep(0)
    uplink.push(FRAME[:320])
    assert live.sent == []
    uplink.push(FRAME[320:])
    assert live.sent == heard == [FRAME]
    await stopped(task)


@pytest.mark.integration
async def test_a_service_that_stalls_costs_the_oldest_frames_and_is_reported() -> None:
    heard: list[bytes] = []
    reports: list[int] = []
    now = 0.0
    uplink = Uplink(
        on_frame=heard.append, on_overrun=reports.append, clock=lambda: now, ticker=Ticker()
    )
    live = SlowLive()
    task = asyncio.create_task(uplink.run(live))
    await asyncio.sleep(0)
    live.room = 1
    for number in range(80):
        uplink.push(bytes([number]) * FRAME_BYTES)
    live.room = 100
    now = 1.0
    uplink.push(bytes([80]) * FRAME_BYTES)
    frames = [pcm[at : at + 640] for pcm in live.sent for at in range(0, len(pcm), 640)]
    assert [frame[0] for frame in frames] == [0, *range(31, 81)]
    assert sum(reports) == 30
    assert b"".join(heard) == b"".join(live.sent)
    await stopped(task)


@pytest.mark.integration
async def test_what_waits_is_sent_two_frames_at_a_time() -> None:
    uplink = Uplink(
        on_frame=lambda pcm: None, on_overrun=lambda count: None, clock=lambda: 0.0, ticker=Ticker()
    )
    live = SlowLive()
    for _ in range(5):
        uplink.push(FRAME)
    live.room = 10
    task = asyncio.create_task(uplink.run(live))
    await asyncio.sleep(0)
    assert live.sent == [FRAME * 2, FRAME * 2, FRAME]
    await stopped(task)


@pytest.mark.integration
async def test_a_service_that_takes_audio_again_is_noticed_without_new_audio() -> None:
    loop = asyncio.get_running_loop()
    uplink = Uplink(
        on_frame=lambda pcm: None, on_overrun=lambda count: None, clock=loop.time, ticker=Ticker()
    )
    live = SlowLive()
    task = asyncio.create_task(uplink.run(live))
    await asyncio.sleep(0)
    uplink.push(FRAME)
    live.room = 1
    async with asyncio.timeout(10):
        while not live.sent:
            await asyncio.sleep(0.01)
    await stopped(task)


@pytest.mark.integration
async def test_a_client_that_falls_silent_is_filled_and_then_ended() -> None:
    loop = asyncio.get_running_loop()
    uplink = Uplink(
        on_frame=lambda pcm: None, on_overrun=lambda count: None, clock=loop.time, ticker=Ticker()
    )
    live = SlowLive()
    live.room = 200
    task = asyncio.create_task(uplink.run(live))
    await asyncio.sleep(0)
    uplink.push(FRAME)
    await asyncio.wait_for(live.ended.wait(), 10)
    assert live.sent[0] == FRAME
    assert set(live.sent[1:]) == {SILENT_FRAME}
    assert 40 <= len(live.sent) - 1 <= 50
    await stopped(task)

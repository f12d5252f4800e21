"""The playout clock on a loop whose time the test moves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.pacer import FRAME_S, LATE_S, PREPARE_S, Pacer

pytestmark = pytest.mark.unit

Clock = list[float]


class FakeLoop:
    """As much of a loop as the pacer uses; ``run`` moves the clock from timer to timer."""

    class Handle:
        def __init__(self, due_s: float, call: Callable[[], None]) -> None:
            self.due_s, self.call, self.cancelled = due_s, call, False

        def cancel(self) -> None:
            self.cancelled = True

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[FakeLoop.Handle] = []

    def clock(self) -> float:
        return self.now

    def call_later(self, wait_s: float, call: Callable[[], None], *_: Any) -> Handle:
        handle = FakeLoop.Handle(self.now + wait_s, call)
        self.timers.append(handle)
        return handle

    @property
    def waiting(self) -> list[Handle]:
        return [timer for timer in self.timers if not timer.cancelled]

    def run(self, until_s: float, late_s: float = 0.0) -> None:
        while True:
            self.timers = self.waiting
            due = [timer for timer in self.timers if timer.due_s <= until_s]
            if not due:
                self.now = max(self.now, until_s)
                return
            first = min(due, key=lambda timer: timer.due_s)
            self.timers.remove(first)
            self.now = max(self.now, first.due_s + late_s)
            first.call()


class Voice:
    """Plays so many frames and notes when."""

    def __init__(self, loop: FakeLoop, frames: int, work_s: float = 0.0) -> None:
        self.loop, self.left, self.work_s = loop, frames, work_s
        self.due: list[float] = []
        self.played: list[float] = []
        self.prepared = 0

    def play(self, due_s: float) -> bool:
        if not self.left:
            return False
        self.left -= 1
        self.due.append(due_s)
        self.played.append(self.loop.now)
        return True

    def prepare(self) -> None:
        self.prepared += 1
        self.loop.now += self.work_s


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLoop]:
    fake = FakeLoop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: fake)
    yield fake


@pytest.fixture
def pacer(loop: FakeLoop) -> Pacer:
    return Pacer(loop.clock)


def test_the_first_frame_leaves_at_once_and_the_rest_on_its_grid(
    loop: FakeLoop, pacer: Pacer
) -> None:
    voice = Voice(loop, 5)
    pacer.start(voice)
    assert voice.played == [1000.0]
    loop.run(1001.0)
    assert voice.due == pytest.approx([1000 + n * FRAME_S for n in range(5)])
    assert voice.played == pytest.approx(voice.due)
    assert not loop.waiting


def test_who_has_nothing_sets_no_timer(loop: FakeLoop, pacer: Pacer) -> None:
    pacer.start(Voice(loop, 0))
    assert not loop.waiting


def test_each_call_keeps_its_phase_on_one_timer(loop: FakeLoop, pacer: Pacer) -> None:
    voices = []
    for number in range(5):
        loop.run(1000 + number * 0.003)
        voices.append(Voice(loop, 10))
        pacer.start(voices[-1])
        assert len(loop.waiting) == 1
    while loop.waiting:
        assert len(loop.waiting) == 1
        loop.run(loop.waiting[0].due_s)
    for number, voice in enumerate(voices):
        grid = [1000 + number * 0.003 + n * FRAME_S for n in range(10)]
        assert voice.due == pytest.approx(grid)


def test_an_earlier_player_moves_the_timer(loop: FakeLoop, pacer: Pacer) -> None:
    early, late = Voice(loop, 2), Voice(loop, 2)
    pacer.start(late)
    loop.now -= 0.01  # the other began a little before
    pacer.start(early)
    loop.run(1001.0)
    assert early.due == pytest.approx([999.99, 1000.01])
    assert late.due == pytest.approx([1000.0, 1000.02])


def test_a_short_delay_is_caught_up(loop: FakeLoop, pacer: Pacer) -> None:
    voice = Voice(loop, 20)
    pacer.start(voice)
    loop.run(1000.05)
    loop.now = 1000.15  # busy with something else
    loop.run(1000.151)
    assert voice.due == pytest.approx([1000 + n * FRAME_S for n in range(8)])


def test_after_a_long_one_the_grid_begins_anew(loop: FakeLoop, pacer: Pacer) -> None:
    voice = Voice(loop, 20)
    pacer.start(voice)
    loop.now += FRAME_S + LATE_S + 0.1
    loop.run(loop.now)
    assert len(voice.due) == 2, "no burst"
    assert voice.due[1] == pytest.approx(loop.now)
    loop.run(loop.now + FRAME_S)
    assert len(voice.due) == 3


def test_lateness_does_not_add_up(loop: FakeLoop, pacer: Pacer) -> None:
    voice = Voice(loop, 100)
    pacer.start(voice)
    loop.run(1003.0, late_s=0.004)
    assert voice.due == pytest.approx([1000 + n * FRAME_S for n in range(100)])


def test_everything_due_leaves_before_anything_is_prepared(loop: FakeLoop, pacer: Pacer) -> None:
    voices = [Voice(loop, 3) for _ in range(10)]
    for voice in voices:
        pacer.start(voice)
        voice.prepared, voice.work_s = 0, PREPARE_S * 0.7
    loop.run(1000 + FRAME_S + 0.001)
    assert [voice.played[1] for voice in voices] == pytest.approx([1000 + FRAME_S] * 10)
    assert sum(voice.prepared for voice in voices) == 2, "then the loop has its turn"


def test_one_that_fails_is_dropped_and_the_others_play(
    loop: FakeLoop, pacer: Pacer, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Voice):
        def play(self, due_s: float) -> bool:
            super().play(due_s)
            if len(self.due) > 2:
                raise RuntimeError("no more")
            return True

        def prepare(self) -> None:
            raise RuntimeError("never")

    voice = Voice(loop, 10)
    pacer.start(voice)
    broken = Broken(loop, 10)
    with pytest.raises(RuntimeError):
        pacer.start(broken)  # at the start it is the caller's own affair
    broken = Broken(loop, 10)
    broken.prepare = lambda: None  # type: ignore[method-assign]
    pacer.start(broken)
    del broken.prepare
    with caplog.at_level(logging.ERROR):
        loop.run(1001.0)
    assert len(broken.due) == 3
    assert len(voice.due) == 10
    assert "has failed" in caplog.text and "cannot prepare" in caplog.text


def test_closed_it_plays_nothing(loop: FakeLoop, pacer: Pacer) -> None:
    voice = Voice(loop, 10)
    pacer.start(voice)
    pacer.close()
    loop.run(1001.0)
    assert len(voice.due) == 1 and not loop.waiting

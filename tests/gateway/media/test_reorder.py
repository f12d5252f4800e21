"""The reorder buffer: sorted output, holes where they are, bounded waiting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.reorder import LIMIT, MAX_DROPOUT, MAX_MISORDER, WAIT_S, Lost, ReorderBuffer

pytestmark = pytest.mark.unit


def drain(buffer: ReorderBuffer, now: float) -> list[int | str]:
    """Sequence numbers, and "-n" for n lost."""
    out: list[int | str] = []
    following = None
    while (item := buffer.pop(now)) is not None:
        if isinstance(item, Lost):
            out.append(f"-{item.count}")
            following = item.following
        else:
            assert following is None or item is following
            following = None
            out.append(item.sequence)
    return out


def feed(buffer: ReorderBuffer, *sequences: int, now: float = 0.0) -> list[int | str]:
    out = []
    for sequence in sequences:
        buffer.push(sequence & 0xFFFF, sequence * 960 & 0xFFFFFFFF, b"x", now)
        out += drain(buffer, now)
    return out


def test_packets_in_order_pass_at_once() -> None:
    buffer = ReorderBuffer()
    for sequence in range(65_530, 65_546):
        assert feed(buffer, sequence) == [sequence & 0xFFFF]
        assert buffer.deadline() is None


def test_accept_does_the_same_without_push_and_pop() -> None:
    buffer = ReorderBuffer()
    assert not buffer.accept(65_535)
    assert feed(buffer, 65_535) == [65_535]
    assert buffer.accept(0)
    assert not buffer.accept(0)
    assert not buffer.accept(2)
    assert feed(buffer, 2) == []
    assert not buffer.accept(1)  # something waits behind it
    assert feed(buffer, 1) == [1, 2]
    assert buffer.accept(3)


def test_a_packet_that_overtook_waits_for_the_others() -> None:
    buffer = ReorderBuffer()
    assert feed(buffer, 1, 4, 3) == [1]
    assert feed(buffer, 2) == [2, 3, 4]
    assert (buffer.reordered, buffer.lost, buffer.late) == (2, 0, 0)


def test_a_hole_is_given_up_at_the_deadline() -> None:
    buffer = ReorderBuffer()
    feed(buffer, 1)
    assert feed(buffer, 4, now=1.0) == []
    assert feed(buffer, 7, now=1.02) == []
    deadline = buffer.deadline() or 0.0
    assert deadline == pytest.approx(1.0 + WAIT_S)
    assert drain(buffer, deadline - 0.001) == []
    assert drain(buffer, deadline) == ["-2", 4]
    assert buffer.deadline() == pytest.approx(1.02 + WAIT_S)
    assert drain(buffer, 2.0) == ["-2", 7]
    assert buffer.lost == 4


def test_the_nearest_packet_behind_a_hole_comes_first_across_the_wrap() -> None:
    buffer = ReorderBuffer()
    assert feed(buffer, 65_533, 65_537, 65_535) == [65_533]
    assert drain(buffer, 1.0) == ["-1", 65_535, "-1", 1]


def test_a_full_buffer_waits_no_longer() -> None:
    buffer = ReorderBuffer()
    assert feed(buffer, 0, *range(2, LIMIT + 1)) == [0]
    assert feed(buffer, LIMIT + 1) == ["-1", *range(2, LIMIT + 2)]


def test_late_packets_and_duplicates_are_told_apart() -> None:
    buffer = ReorderBuffer()
    feed(buffer, 65_534, 1)
    assert drain(buffer, 1.0) == ["-2", 1]
    assert feed(buffer, 65_535, 65_535, 1, 65_534) == []
    assert (buffer.late, buffer.duplicates) == (1, 3)
    feed(buffer, 3, 3)
    assert buffer.duplicates == 4
    assert feed(buffer, 2) == [2, 3]


def test_what_precedes_the_first_packet_is_late() -> None:
    buffer = ReorderBuffer()
    assert feed(buffer, 5, 4, 6) == [5, 6]
    assert (buffer.late, buffer.duplicates) == (1, 0)


@pytest.mark.parametrize("to", [10 + MAX_DROPOUT + 1, 10 - MAX_MISORDER - 5, 40_000])
def test_two_in_sequence_after_a_jump_are_another_stream(to: int) -> None:
    buffer = ReorderBuffer()
    feed(buffer, 10, 12)
    assert feed(buffer, to) == []
    assert feed(buffer, to + 1) == [to & 0xFFFF, (to + 1) & 0xFFFF]
    assert feed(buffer, to + 2) == [(to + 2) & 0xFFFF]
    assert (buffer.lost, buffer.dropped) == (0, 1)


def test_one_stray_packet_changes_nothing() -> None:
    buffer = ReorderBuffer()
    assert feed(buffer, 10, 40_000, 11, 50_000, 12) == [10, 11, 12]
    assert buffer.dropped == 1  # the second may still be confirmed


def test_a_long_dropout_is_one_loss() -> None:
    buffer = ReorderBuffer()
    feed(buffer, 10, 2000)
    assert drain(buffer, 1.0) == ["-1989", 2000]


@given(
    first=st.integers(0, 65_535),
    sent=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 2)), min_size=1, max_size=60),
)
def test_the_output_is_the_input_sorted_with_its_holes(
    first: int, sent: list[tuple[int, int]]
) -> None:
    """Each packet is sent every 20 ms and arrives never, once or twice, up to 200 ms late."""
    arrivals = sorted(
        (20 * at + delay + 7 * copy, at)
        for at, (delay, copies) in enumerate(sent)
        for copy in range(copies)
    )
    buffer = ReorderBuffer()
    out: list[int | str] = []
    for now_ms, at in arrivals:
        out += feed(buffer, first + at, now=now_ms / 1000)
        assert (deadline := buffer.deadline()) is None or deadline > now_ms / 1000
    out += drain(buffer, 100.0)
    assert buffer.deadline() is None
    expected = next((first + at) & 0xFFFF for _, at in arrivals) if arrivals else 0
    delivered = lost = 0
    for item in out:
        if isinstance(item, str):
            expected, lost = (expected - int(item)) & 0xFFFF, lost - int(item)
        else:
            assert item == expected
            expected, delivered = (expected + 1) & 0xFFFF, delivered + 1
    assert buffer.lost == lost
    assert delivered + buffer.late == len({at for _, at in arrivals})
    assert delivered + buffer.late + buffer.duplicates == len(arrivals)


@given(st.lists(st.integers(0, 8), min_size=2, max_size=60), st.integers(0, 65_535))
def test_nothing_is_lost_that_comes_within_the_wait(delays: list[int], first: int) -> None:
    """Delays up to 40 ms are all made up for."""
    arrivals = sorted((20 * at + 5 * delay, at) for at, delay in enumerate(delays))
    begin = arrivals[0][1]
    buffer, out = ReorderBuffer(), []
    for now_ms, at in arrivals:
        out += feed(buffer, first + at, now=now_ms / 1000 - 1e-6 * at)
    assert out == [(first + at) & 0xFFFF for at in range(begin, len(delays))]
    assert buffer.late == begin


@given(st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 30)), max_size=80))
def test_any_sequence_numbers_leave_it_bounded(packets: list[tuple[int, int]]) -> None:
    buffer, now = ReorderBuffer(), 0.0
    for sequence, later_ms in packets:
        now += later_ms / 1000
        feed(buffer, sequence, now=now)
        assert len(buffer._held) < LIMIT
        assert len(buffer._given_up) <= MAX_MISORDER

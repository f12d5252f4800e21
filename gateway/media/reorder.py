"""The packets of one RTP stream in the order they were sent.

On a clean link nothing waits: a packet that is next passes at once.  Behind a hole, later
packets wait a little for the missing ones; then the hole is reported and they follow.
Sequence numbers are judged as in RFC 3550 appendix A.1.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MAX_DROPOUT = 3000  # packets; a larger jump forward is another stream, or a mistake
MAX_MISORDER = 100  # packets that a late one may be behind
WAIT_S = 0.04
LIMIT = 16

_SEQUENCES = 1 << 16
_NONE = -1


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet in order; ``arrival`` is the time it was pushed."""

    sequence: int
    timestamp: int
    payload: bytes
    payload_type: int
    arrival: float


@dataclass(frozen=True, slots=True)
class Lost:
    """``count`` packets that did not come; ``following`` is the one after, popped next."""

    count: int
    following: Packet


class ReorderBuffer:
    """Push every packet that arrives, then pop until there is nothing.

    Pop again at :meth:`deadline`: ``wait_s`` after the first packet behind a hole came,
    or with ``limit`` packets behind it, the hole is given up.  Packets that come later
    still are dropped.  In the usual case :meth:`accept` does without push and pop.

    Counts packets: ``lost`` were given up, ``late`` are those of them that came after
    all, ``duplicates`` came twice, ``reordered`` came after a later one but in time,
    ``dropped`` are stray ones and those that waited when another stream began.
    """

    def __init__(self, *, wait_s: float = WAIT_S, limit: int = LIMIT) -> None:
        self.lost = self.late = self.duplicates = self.reordered = self.dropped = 0
        self._wait_s = wait_s
        self._limit = limit
        self._next = _NONE
        self._held: dict[int, Packet] = {}  # by sequence, in the order of arrival
        self._given_up: deque[int] = deque(maxlen=MAX_MISORDER)
        self._stray: Packet | None = None

    def accept(self, sequence: int) -> bool:
        """Whether a packet is the next one and nothing waits: then it has passed already."""
        if sequence != self._next or self._held:
            return False
        self._next = (sequence + 1) & 0xFFFF
        return True

    def push(
        self, sequence: int, timestamp: int, payload: bytes, now: float, payload_type: int = 0
    ) -> None:
        """Take a packet as it arrives."""
        packet = Packet(sequence, timestamp, payload, payload_type, now)
        if self._next == _NONE:
            self._begin(sequence)
        ahead = self._ahead(sequence)
        if ahead < MAX_DROPOUT:
            self._hold(packet, ahead)
        elif ahead > _SEQUENCES - MAX_MISORDER:
            self._count_late(sequence)
        else:
            self._judge_stray(packet)

    def pop(self, now: float) -> Packet | Lost | None:
        """What comes next in order, or ``None`` while it is missing."""
        if not self._held:
            return None
        packet = self._held.pop(self._next, None)
        if packet is not None:
            self._next = (self._next + 1) & 0xFFFF
            return packet
        if len(self._held) < self._limit and now < self._give_up_at():
            return None
        following = min(self._held.values(), key=lambda held: self._ahead(held.sequence))
        count = self._ahead(following.sequence)
        self.lost += count
        self._forget(count, following.sequence)
        self._next = following.sequence
        return Lost(count, following)

    def deadline(self) -> float | None:
        """When to pop again although nothing arrived; ``None`` with no hole."""
        return self._give_up_at() if self._held else None

    def _give_up_at(self) -> float:
        return next(iter(self._held.values())).arrival + self._wait_s

    def _ahead(self, sequence: int) -> int:
        return (sequence - self._next) & 0xFFFF

    def _begin(self, sequence: int) -> None:
        self._next = sequence
        self._forget(MAX_MISORDER, sequence)

    def _forget(self, count: int, end: int) -> None:
        """Remember which sequence numbers before ``end`` are late when they come now."""
        nearest = range(end - min(count, MAX_MISORDER), end)
        self._given_up.extend(sequence & 0xFFFF for sequence in nearest)

    def _hold(self, packet: Packet, ahead: int) -> None:
        if packet.sequence in self._held:
            self.duplicates += 1
            return
        if any(self._ahead(sequence) > ahead for sequence in self._held):
            self.reordered += 1
        self._held[packet.sequence] = packet

    def _count_late(self, sequence: int) -> None:
        if sequence in self._given_up:
            self._given_up.remove(sequence)
            self.late += 1
        else:
            self.duplicates += 1

    def _judge_stray(self, packet: Packet) -> None:
        """Two in sequence, far from all others, are the beginning of another stream."""
        stray, self._stray = self._stray, packet
        if stray is None:
            return
        if packet.sequence != (stray.sequence + 1) & 0xFFFF:
            self.dropped += 1
            return
        self.dropped += len(self._held)
        self._held = {stray.sequence: stray, packet.sequence: packet}
        self._stray = None
        self._begin(stray.sequence)

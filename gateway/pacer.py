"""The playout clock of a worker: one timer for all calls, a phase for each.

A player is started once, plays at once, and again every 20 ms of its own grid
until it says that it has nothing more.  All that is due is sent before anything
is prepared, and what is prepared in one turn of the loop is bounded, so that
one call's work does not make another's packet late.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from gateway.peer import FRAME_MS

logger = logging.getLogger(__name__)

FRAME_S = FRAME_MS / 1000
EARLY_S = 0.0015  # a frame this much before its time goes along with those that are due
LATE_S = 0.2  # after this much the loop was away: catching up would play a burst at once
PREPARE_S = 0.002  # of work ahead in one turn


class Player(Protocol):
    def play(self, due_s: float) -> bool:
        """Send the frame of this moment; ``False``: there is nothing more to send."""

    def prepare(self) -> None:
        """Do a piece of later work now."""


class Pacer:
    """Calls :meth:`Player.play` of every player that was started, on time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Player]] = []
        self._order = count()  # players are not compared
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0

    def start(self, player: Player) -> None:
        """Play now, and go on; once until ``play`` has returned ``False``."""
        now = self._clock()
        if player.play(now):
            player.prepare()
            self._push(now + FRAME_S, player)
            self._set_timer()

    def close(self) -> None:
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _push(self, due_s: float, player: Player) -> None:
        heappush(self._due, (due_s, next(self._order), player))

    def _set_timer(self) -> None:
        """Wake when the first is due."""
        if not self._due:
            return
        due_s = self._due[0][0]
        if self._timer is not None:
            if self._timer_s <= due_s:
                return
            self._timer.cancel()
        wait_s = max(0.0, due_s - self._clock())
        self._timer_s = due_s
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._wake)

    def _wake(self) -> None:
        self._timer = None
        begin = self._clock()
        played = []
        while self._due and self._due[0][0] <= begin + EARLY_S:
            due_s, _, player = heappop(self._due)
            if begin - due_s > LATE_S:
                due_s = begin
            if self._play(player, due_s):
                self._push(due_s + FRAME_S, player)
                played.append(player)
        enough_s = self._clock() + PREPARE_S
        for player in played:
            try:
                player.prepare()
            except Exception:
                logger.exception("a player cannot prepare")
            if self._clock() > enough_s:
                break
        self._set_timer()

    def _play(self, player: Player, due_s: float) -> bool:
        """One call's mistake must not silence the others: such a player is dropped."""
        try:
            return player.play(due_s)
        except Exception:
            logger.exception("a player has failed")
            return False

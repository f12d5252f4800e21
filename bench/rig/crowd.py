"""The callers' process: one loop for all packets of all calls.

    python -m bench.rig.crowd URL

Commands come as JSON lines on the standard input, answers leave on the standard output:
``{"open": 3, "measured": true}`` opens a call, ``{"close": 3}`` hangs up,
``{"report": true}`` stops the loop and tells what the measured calls sent and heard.
"""

from __future__ import annotations

import gc
import heapq
import json
import select
import sys
import threading
import time
from collections import deque
from typing import Any

from bench.rig import rtp
from bench.rig.caller import Caller, CallFailed, connect
from bench.rig.dtls import Identity
from bench.rig.sound import LOUD, OpusEar, caller_packets

FRAME_S = 0.02
ONSET = 25  # the index of the first loud packet
GOLDEN = 0.618034  # the fractions of its multiples are spread evenly
_KEEP_S = 0.1  # between two looks for calls whose consent is due
_LATE_S = 0.005


class Crowd:
    """All callers.  ``run`` is the loop; the other methods are called by another thread."""

    def __init__(self) -> None:
        self._joining: deque[tuple[int, Caller]] = deque()
        self._leaving: deque[int] = deque()
        self._callers: dict[int, tuple[int, Caller]] = {}  # by file descriptor
        self._stopped = False
        self.late_packets = 0  # that left more than 5 ms after their time
        self.gone = 0  # calls that the gateway ended

    def join(self, number: int, caller: Caller) -> None:
        caller.position = int(number * GOLDEN % 1 * len(caller.packets))
        self._joining.append((number, caller))

    def leave(self, number: int) -> None:
        self._leaving.append(number)

    def stop(self) -> None:
        self._stopped = True

    def callers(self) -> list[tuple[int, Caller]]:
        return sorted(self._callers.values(), key=lambda pair: pair[0])

    def run(self) -> None:
        """Send and receive until ``stop``.

        ``select`` on the epoll descriptor waits for microseconds, where epoll itself knows
        only whole milliseconds: every packet leaves at a time of its own.
        """
        epoll = select.epoll()
        callers = self._callers
        schedule: list[tuple[float, int]] = []
        offset_s = time.monotonic() - time.time()
        keep_s = 0.0
        while not self._stopped:
            self._come_and_go(epoll, schedule)
            now = time.monotonic()
            while schedule and schedule[0][0] <= now:
                due, number = schedule[0]
                if number not in callers:
                    heapq.heappop(schedule)
                    continue
                callers[number][1].send()
                self.late_packets += now - due > _LATE_S
                heapq.heapreplace(schedule, (due + FRAME_S, number))
            if now >= keep_s:
                keep_s = now + _KEEP_S
                offset_s = time.monotonic() - time.time()
                for _, caller in callers.values():
                    caller.keep(now)
            due = schedule[0][0] if schedule else now + FRAME_S
            wait_s = due - time.monotonic()
            if wait_s > 0:
                select.select([epoll], [], [], wait_s)
            for number, _ in epoll.poll(0):
                callers[number][1].receive(offset_s)
        epoll.close()

    def _come_and_go(self, epoll: select.epoll, schedule: list[tuple[float, int]]) -> None:
        while self._joining:
            number, caller = self._joining.popleft()
            file = caller.socket.fileno()
            self._callers[file] = (number, caller)
            epoll.register(file, select.EPOLLIN)
            now = time.monotonic()
            phase_s = number * GOLDEN % 1 * FRAME_S
            due = now - now % FRAME_S + FRAME_S + phase_s
            heapq.heappush(schedule, (due, file))
        while self._leaving:
            number = self._leaving.popleft()
            for file, (other, caller) in list(self._callers.items()):
                if other == number:
                    epoll.unregister(file)
                    del self._callers[file]
                    caller.close()


def heard(caller: Caller) -> list[tuple[float, int, bool, bool]]:
    """(time, timestamp, is loud, ends loud) of every packet with sound."""
    ear, rows = OpusEar(), []
    for arrived in caller.arrived:
        try:
            _, timestamp, payload = rtp.read(arrived.packet)
        except ValueError:
            continue
        peak, end_peak = ear.peaks(payload) if payload else (0, 0)
        if peak > LOUD:
            rows.append((arrived.at_s, timestamp, True, end_peak > LOUD))
    return rows


def report(crowd: Crowd) -> dict[str, Any]:
    calls = []
    for number, caller in crowd.callers():
        call: dict[str, Any] = {
            "call": number,
            "sent": caller.sent,
            "received": caller.received,
            "unreadable": caller.unreadable,
            "refused": caller.refused,
            "closed": caller.is_closed,
        }
        if caller.is_measured:
            call |= {"onsets_s": caller.onsets_s, "heard": heard(caller)}
        calls.append(call)
    return {"report": calls, "late_packets": crowd.late_packets}


def main() -> None:
    url = sys.argv[1]
    identity, crowd = Identity(), Crowd()
    loop = threading.Thread(target=crowd.run, name="packets")
    gc.disable()  # a pause would be measured, and nothing here makes cycles by the packet
    loop.start()
    say({"ready": True})
    try:
        for line in sys.stdin:
            command = json.loads(line)
            if "open" in command:
                number = command["open"]
                try:
                    caller = connect(url, identity, caller_packets, ONSET)
                except CallFailed as error:
                    say({"failed": number, "why": str(error)})
                    continue
                caller.is_measured = command["measured"]
                crowd.join(number, caller)
                say({"opened": number})
            elif "close" in command:
                crowd.leave(command["close"])
                say({"closed": command["close"]})
            else:
                crowd.stop()
                loop.join()
                say(report(crowd))
                break
    finally:
        crowd.stop()
        loop.join()
        for _, caller in crowd.callers():
            caller.close()


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()

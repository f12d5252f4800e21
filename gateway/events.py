"""The events of one call: numbered, kept for a while, told to who asks.

One counter per call, so that a client that comes back says the last ``seq`` it
saw and misses nothing.  The log is a value; times are passed in.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from ulid import ULID

KEPT_EVENTS = 1000
KEPT_MS = 600_000
KEPT_BYTES = 1 << 20

Listener = Callable[[str], None]


class EventLog:
    """Numbers events and keeps the newest: 1,000, ten minutes, 1 MiB at most.

    ``listener`` gets each event as JSON text once :meth:`replay` was called.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._kept: deque[tuple[int, int, str]] = deque()
        self._kept_bytes = 0
        self._is_told = False
        self.seq = 0

    def publish(self, type_: str, t_ms: int, **fields: Any) -> None:
        """Append an event ``t_ms`` milliseconds after the call's creation."""
        self.seq += 1
        text = _event(type_, self.seq, t_ms, fields)
        self._kept.append((self.seq, t_ms, text))
        self._kept_bytes += len(text)
        while (
            len(self._kept) > KEPT_EVENTS
            or t_ms - self._kept[0][1] > KEPT_MS
            or self._kept_bytes > KEPT_BYTES
        ):
            self._kept_bytes -= len(self._kept.popleft()[2])
        if self._is_told:
            self._listener(text)

    def replay(self, after_seq: int, t_ms: int, **ready: Any) -> None:
        """Answer a ``hello``: ``call.ready``, what came after ``after_seq``, then what comes.

        ``call.ready`` is an answer to one client, no part of the log: its
        ``seq`` is the ``after_seq`` it answers, so that the order holds.
        """
        missed = [text for seq, _, text in self._kept if seq > after_seq]
        fields = ready | {"replayed": len(missed)}
        self._listener(_event("call.ready", after_seq, t_ms, fields))
        for text in missed:
            self._listener(text)
        self._is_told = True


def _event(type_: str, seq: int, t_ms: int, fields: dict[str, Any]) -> str:
    event = {"type": type_, "event_id": f"evt_{ULID()}", "seq": seq, "t_ms": t_ms}
    return json.dumps(event | fields, ensure_ascii=False, separators=(",", ":"))

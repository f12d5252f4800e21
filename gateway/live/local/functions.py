"""Function calls the model has made and not had answered.

A blocking call stops the model until it is answered or cancelled; a non-blocking one is
only remembered, so that its answer can be told from one that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from gateway.live.local.reply import Call
from gateway.live.local.settings import Behavior
from gateway.live.messages import FunctionCall, FunctionResponse, ToolCall, ToolCallCancellation

MAX_PENDING = 100  # calls that were never answered; the oldest are forgotten


@dataclass(frozen=True, slots=True)
class Pending:
    """A call that is open."""

    name: str
    behavior: Behavior


class Functions:
    """The open calls of one live session; without ``with_ids`` they carry none (Vertex)."""

    def __init__(self, random: Random, *, with_ids: bool = True) -> None:
        self._random = random
        self._with_ids = with_ids
        self._pending: dict[str, Pending] = {}
        self._results: list[tuple[str, dict[str, Any]]] = []

    @property
    def blocked(self) -> bool:
        """The model waits for an answer."""
        return any(call.behavior == "BLOCKING" for call in self._pending.values())

    def open(self, calls: tuple[Call, ...], behavior: Callable[[str], Behavior]) -> ToolCall:
        """Make ``calls``; ``behavior`` says of each name whether the model waits."""
        sent: list[FunctionCall] = []
        for call in calls:
            key = f"call_{self._random.getrandbits(48):012x}"
            self._pending[key] = Pending(call.name, behavior(call.name))
            sent.append(FunctionCall(key if self._with_ids else None, call.name, call.args))
        while len(self._pending) > MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        return ToolCall(tuple(sent))

    def answered(self, response: FunctionResponse) -> Pending | None:
        """The call that ``response`` answers, by id or else by name; ``None`` if it is late.

        The call is closed, unless the response says that more will come.  The answer of a
        blocking call is kept for :meth:`collect`.
        """
        key = self._key(response)
        if key is None:
            return None
        call = self._pending[key]
        if not response.will_continue:
            del self._pending[key]
        if call.behavior == "BLOCKING":
            self._results.append((call.name, response.response))
        return call

    def collect(self) -> list[tuple[str, dict[str, Any]]]:
        """Names and answers of blocking calls once all are in; nothing before."""
        if self.blocked:
            return []
        results, self._results = self._results, []
        return results

    def cancel(self) -> ToolCallCancellation | None:
        """Close the blocking calls; what to tell the client, if there is something."""
        keys = [key for key, call in self._pending.items() if call.behavior == "BLOCKING"]
        for key in keys:
            del self._pending[key]
        self._results.clear()
        return ToolCallCancellation(tuple(keys)) if keys and self._with_ids else None

    def _key(self, response: FunctionResponse) -> str | None:
        if response.id is not None:
            return response.id if response.id in self._pending else None
        named = (key for key, call in self._pending.items() if call.name == response.name)
        return next(named, None)

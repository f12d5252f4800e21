"""Resumption handles: what a live session leaves behind for the next one.

A handle is good while its connection lives and for a time after it, on one service and
with one model.  What it keeps is the :class:`Conversation` as it was when it was issued.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from random import Random

from gateway.live.local.reply import Conversation
from gateway.live.local.tables import Service

MAX_HANDLES = 10_000


@dataclass(slots=True)
class _Kept:
    service: Service
    model: str
    conversation: Conversation
    good_until: float | None = None  # None while the connection lives


class Handles:
    """All handles of a server; the oldest go when there are more than ``most``."""

    def __init__(self, random: Random, *, most: int = MAX_HANDLES) -> None:
        self._random = random
        self._most = most
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def issue(self, service: Service, model: str, conversation: Conversation) -> str:
        """A new handle for ``conversation`` as it is now."""
        handle = f"{self._random.getrandbits(128):032x}"
        self._kept[handle] = _Kept(service, model, conversation)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return handle

    def redeem(self, handle: str, service: Service, model: str, now: float) -> Conversation | None:
        """What ``handle`` stands for; ``None`` if it is unknown, too old or of another model."""
        kept = self._kept.get(handle)
        if kept is None or (kept.service, kept.model) != (service, model):
            return None
        if kept.good_until is not None and now > kept.good_until:
            del self._kept[handle]
            return None
        return kept.conversation

    def left(self, handles: list[str], good_until: float) -> None:
        """The connection that got ``handles`` has ended: they are good until then."""
        for handle in handles:
            if kept := self._kept.get(handle):
                kept.good_until = good_until

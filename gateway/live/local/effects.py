"""What a dialogue asks its surroundings to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from gateway.live.local.outgoing import Frame


@dataclass(frozen=True, slots=True)
class Send:
    """Send one WebSocket message."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Recognize:
    """Find out what was said in ``pcm`` (16 kHz s16le), then call ``heard`` with ``ticket``."""

    ticket: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Speak:
    """Have ``text`` spoken, then call ``spoken`` with ``ticket``."""

    ticket: int
    text: str
    voice: str
    language: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection.  Nothing comes after it."""

    code: int
    reason: str


Effect: TypeAlias = Send | Recognize | Speak | Close

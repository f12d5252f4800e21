"""What the model decided to do: values that pass from the model to the dialogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.live.local.picture import Picture


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing to say, then ``pause_ms`` of silence.

    With ``tone_ms`` it is a tone of that length and ``tone_hz`` instead of the voice.
    """

    text: str
    pause_ms: int = 0
    tone_ms: int = 0
    tone_hz: float = 440.0


@dataclass(frozen=True, slots=True)
class Call:
    """A function to call; its id is given when it is sent."""

    name: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Closing:
    """Close the connection when ``at_ms`` of the reply's sound have been sent."""

    code: int
    reason: str = ""
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What to say, then what to call.  ``delay_ms`` passes before the first of it."""

    sentences: tuple[Sentence, ...] = ()
    calls: tuple[Call, ...] = ()
    delay_ms: int = 0
    closing: Closing | None = None

    @classmethod
    def of(cls, *texts: str, pause_ms: int = 0) -> Reply:
        """A reply of plain sentences, each followed by the same pause."""
        return cls(tuple(Sentence(text, pause_ms) for text in texts))


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the history, as text: what was said and by whom."""

    role: Literal["user", "model"]
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """All that is remembered between turns; a value, so that a handle can keep it.

    The counters are what usage is reckoned from: milliseconds of the user's speech and
    of the model's, characters of text, pictures.
    """

    turns: tuple[Turn, ...] = ()
    word: str | None = None
    picture: Picture | None = None
    pictures: int = 0
    heard_ms: int = 0
    spoken_ms: int = 0
    text_chars: int = 0

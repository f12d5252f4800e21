"""What a live session remembers, and what it costs: the conversation, counted in tokens.

The service reckons 25 tokens a second of sound and 258 a picture, and charges every turn
for the whole context before it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.live.local.picture import look
from gateway.live.local.reply import Conversation, Turn
from gateway.live.messages import INPUT_RATE_HZ, TokenDetail, Usage

MAX_HISTORY = 1_000  # turns

_AUDIO_PER_S = 25
_PER_PICTURE = 258
_CHARS_PER_TOKEN = 4


class Memory:
    """A :class:`Conversation` that grows; ``conversation`` is a value and can be kept."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation

    def add(self, *turns: Turn) -> None:
        """Turns of the history; those without text are not kept."""
        kept = [turn for turn in turns if turn.text]
        history = (*self.conversation.turns, *kept)[-MAX_HISTORY:]
        self.conversation = replace(self.conversation, turns=history)

    def learn(self, word: str | None) -> None:
        """The word the user wants remembered."""
        self.conversation = replace(self.conversation, word=word)

    def hear(self, pcm: bytes) -> None:
        """An utterance of the user, 16 kHz s16le."""
        ms = self.conversation.heard_ms + len(pcm) * 1000 // (INPUT_RATE_HZ * 2)
        self.conversation = replace(self.conversation, heard_ms=ms)

    def read(self, text: str) -> None:
        """Text that came in."""
        chars = self.conversation.text_chars + len(text)
        self.conversation = replace(self.conversation, text_chars=chars)

    def read_answer(self, response: dict[str, Any]) -> None:
        """The answer of a function."""
        self.read(str(response))

    def see(self, data: bytes) -> None:
        """A picture that came in."""
        count = self.conversation.pictures + 1
        self.conversation = replace(self.conversation, picture=look(data), pictures=count)

    def say(self, text: str, spoken_ms: int | None, instructions: str) -> Usage:
        """A turn of the model is over: its usage.  ``spoken_ms`` is ``None`` for mere text."""
        usage = _usage(self.conversation, text, spoken_ms, instructions)
        self.add(Turn("model", text.strip()))
        if spoken_ms is None:
            self.read(text)
        else:
            ms = self.conversation.spoken_ms + spoken_ms
            self.conversation = replace(self.conversation, spoken_ms=ms)
        return usage


def _usage(before: Conversation, text: str, spoken_ms: int | None, instructions: str) -> Usage:
    """The whole context ``before`` the turn as prompt, the turn as output."""
    prompt = {
        "TEXT": _text_tokens(before.text_chars + len(instructions)),
        "AUDIO": (before.heard_ms + before.spoken_ms) * _AUDIO_PER_S // 1000,
        "IMAGE": before.pictures * _PER_PICTURE,
    }
    if spoken_ms is None:
        output = {"TEXT": _text_tokens(len(text))}
    else:
        output = {"AUDIO": spoken_ms * _AUDIO_PER_S // 1000}
    details = [TokenDetail("prompt", modality, count) for modality, count in prompt.items()]
    details += [TokenDetail("output", modality, count) for modality, count in output.items()]
    prompt_tokens, output_tokens = sum(prompt.values()), sum(output.values())
    return Usage(
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        total_tokens=prompt_tokens + output_tokens,
        details=tuple(detail for detail in details if detail.tokens),
    )


def _text_tokens(chars: int) -> int:
    return -(-chars // _CHARS_PER_TOKEN)

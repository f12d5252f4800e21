"""The local model: what to say to what was heard.  Pure, and the same every time.

Nobody is meant to take it for intelligent.  It knows the phrases of ``phrases``, each
with a fixed answer, calls a declared function when its phrase is spoken, says what it is
told to say, and to everything else says what it does know.  The time of day and all it
remembers (:class:`Conversation`) are passed in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.live.local import answers
from gateway.live.local.languages import LANGUAGES, is_english
from gateway.live.local.phrases import LONGEST_TEXT, Heard, normalize, understand
from gateway.live.local.reply import Call, Conversation, Reply
from gateway.live.local.sentences import split
from gateway.live.local.settings import Function, Settings

_SAY = re.compile(
    r"\s*(?:please\s+)?say(?:\s+exactly|\s+after\s+me)?\s*(?:[:,]|\s)\s*(.+)", re.I | re.S
)
_GREET = re.compile(
    r"\s*(?:please\s+)?(?:greet|welcome|introduce yourself|start the (?:call|conversation))\b"
    r"(?:.*?\b(?:saying|with|say)\b:?\s*[\"“'](?P<words>[^\"”]+)[\"”'])?",
    re.I | re.S,
)
_QUOTES = "\"“”'‘’«»„"
# A phrase and the word in a function's name that makes it that phrase's function.
_FUNCTION_WORDS = {"weather": "weather", "light": "light", "what_time": "time"}
_PLACES = ("city", "location", "place", "town")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """One conversation's model; ``settings`` are those of its setup."""

    settings: Settings

    def reply(
        self, heard: Heard, memory: Conversation, clock: datetime
    ) -> tuple[Reply, str | None]:
        """The answer to a spoken phrase, and the word to remember from now on."""
        if not is_english(self.settings.language):
            return Reply.of(LANGUAGES[self.settings.language].heard), memory.word
        if call := self._call(heard):
            return Reply(calls=(call,)), memory.word
        word = heard.slot if heard.phrase == "remember" else memory.word
        return answers.answer(heard, memory, clock), word

    def read(self, text: str, memory: Conversation, clock: datetime) -> tuple[Reply, str | None]:
        """The answer to typed text: an instruction to speak, a phrase, or a function's name."""
        text = text[:LONGEST_TEXT]
        heard = understand(text)
        if heard.phrase is None:
            if match := _SAY.fullmatch(text):
                return Reply.of(*split(match[1].strip().strip(_QUOTES))), memory.word
            if match := _GREET.match(text):
                return self._greet(match["words"]), memory.word
            if function := self._named(text):
                return Reply(calls=(Call(function.name, _arguments(function, None)),)), memory.word
        return self.reply(heard, memory, clock)

    def nudged(self, memory: Conversation, clock: datetime) -> tuple[Reply, str | None]:
        """Asked to speak with nothing new to answer: what the user said last, else a greeting."""
        last = next((turn.text for turn in reversed(memory.turns) if turn.role == "user"), "")
        return self.read(last, memory, clock) if last else (self._greet(None), memory.word)

    def told(self, results: list[tuple[str, dict[str, Any]]]) -> Reply:
        """What functions answered, by name, put into words."""
        return Reply.of(*(answers.result(name, response) for name, response in results))

    def function(self, name: str) -> Function | None:
        """The declared function of that name."""
        return next((item for item in self.settings.functions if item.name == name), None)

    def _greet(self, words: str | None) -> Reply:
        if words:
            return Reply.of(*split(words))
        greeting = LANGUAGES[self.settings.language].greeting
        if is_english(self.settings.language):
            return Reply.of(greeting, "I am the local model. Ask me what I can do.")
        return Reply.of(greeting)

    def _call(self, heard: Heard) -> Call | None:
        word = _FUNCTION_WORDS.get(heard.phrase or "")
        for function in self.settings.functions:
            if word and word in function.name.lower():
                return Call(function.name, _arguments(function, heard.slot))
        return None

    def _named(self, text: str) -> Function | None:
        """The function all of whose name's words are in ``text``."""
        said = set(normalize(text).split())
        for function in self.settings.functions:
            words = set(
                normalize(re.sub(r"[\W_]+|(?<=[a-z])(?=[A-Z])", " ", function.name)).split()
            )
            if words and words <= said:
                return function
        return None


def _arguments(function: Function, slot: str | None) -> dict[str, Any]:
    """Arguments a caller could mean: ``slot`` where it fits, something for what is required."""
    arguments = {name: _something(function.parameters.get(name, {})) for name in function.required}
    if slot is None:
        return arguments
    kinds = {name: _kind(schema) for name, schema in function.parameters.items()}
    fitting = [name for name in kinds if name.lower() in _PLACES]
    fitting += [
        name
        for name, kind in kinds.items()
        if kind in ("STRING", "BOOLEAN") and "enum" not in function.parameters[name]
    ]
    name = fitting[0] if fitting else "city"
    arguments[name] = slot == "on" if kinds.get(name) == "BOOLEAN" else slot
    return arguments


def _kind(schema: dict[str, Any]) -> str:
    return str(schema.get("type", "STRING")).upper()


def _something(schema: dict[str, Any]) -> Any:
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    empty: dict[str, Any] = {"NUMBER": 0, "INTEGER": 0, "BOOLEAN": False, "ARRAY": [], "OBJECT": {}}
    return empty.get(_kind(schema), "")

"""The local model's fixed answers, phrase by phrase."""

from __future__ import annotations

import re
import zlib
from datetime import datetime
from typing import Any

from gateway.live.local.phrases import Heard
from gateway.live.local.reply import Conversation, Reply
from gateway.live.local.sentences import split

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_COUNTS = {"five": 5, "ten": 10, "twenty": 20, "fifty": 50, "one hundred": 100}

_UNKNOWN = (
    "I did not understand that.",
    "Try asking for the time, the weather in Paris, a joke or a story.",
)
_HELP = (
    "I am a small local model.",
    "Ask me the time, the weather in Paris, or what I see.",
    "I can count to ten, tell a joke or a story, repeat a sentence, and remember a word.",
    "You can interrupt me at any time.",
)
_STORY = (
    "Once upon a time there was a lighthouse at the end of a long and stony beach.",
    "The man who kept it was called Thomas, and he had not missed a night in forty years.",
    "Every evening he climbed two hundred steps and lit the lamp.",
    "Every morning he climbed down again and drank a cup of tea.",
    "One winter the fog came in from the sea and did not leave.",
    "It was so thick that the light could not get through it.",
    "On the third night Thomas heard a ship, far out, blowing its horn.",
    "He thought for a moment, and then he carried his old brass bell up all the stairs.",
    "He rang it, and waited, and rang it again.",
    "The horn answered, a little closer every time.",
    "All night long they talked like that, the bell and the horn.",
    "In the morning the fog lifted, and there lay the ship, safe in the harbor.",
    "The captain came ashore and asked who had been ringing.",
    "Thomas only smiled and asked if he would like a cup of tea.",
    "And since that day there is a bell beside the lamp, in case a light is not enough.",
)
_JOKES = (
    ("Why did the computer go to the doctor?", "Because it had a virus."),
    ("Why do bees have sticky hair?", "Because they use honeycombs."),
    ("What do you call a fish without eyes?", "A fsh."),
)
_SKIES = ("sunny", "cloudy", "rainy", "windy", "clear", "a little foggy")


def answer(heard: Heard, memory: Conversation, clock: datetime) -> Reply:
    """The answer to ``heard`` in English."""
    match heard.phrase:
        case "hello":
            return Reply.of("Hello! I can hear you.", "Ask me what I can do.")
        case "how_are_you":
            return Reply.of("I am fine, thank you.", "I hope you are well too.")
        case "who_are_you":
            return Reply.of("I am the local model.", "I run on this machine, with no network.")
        case "help":
            return Reply.of(*_HELP)
        case "what_time":
            return Reply.of(f"It is {spoken_time(clock)}.")
        case "count":
            last = _COUNTS.get(heard.slot or "", 10)
            words = (number(count).capitalize() + "." for count in range(1, last + 1))
            return Reply.of(*words, pause_ms=400)
        case "story":
            return Reply.of(*_STORY, pause_ms=200)
        case "joke":
            question, point = _JOKES[len(memory.turns) // 2 % len(_JOKES)]
            return Reply.of(question, point, pause_ms=500)
        case "weather":
            return Reply.of(weather(heard.slot or "Paris"))
        case "what_see":
            return Reply.of(seen(memory))
        case "repeat":
            return Reply.of(*split(heard.slot or ""))
        case "remember":
            return Reply.of(f"I will remember the word {heard.slot}.")
        case "recall":
            word = memory.word
            return Reply.of(f"The word was {word}." if word else "You have not told me a word yet.")
        case "light":
            return Reply.of(f"I have no light that I could turn {heard.slot or 'on'}.")
        case "stop":
            return Reply.of("Okay.")
        case "thank_you":
            return Reply.of("You are welcome.")
        case "goodbye":
            return Reply.of("Goodbye! It was nice talking to you.")
        case _:
            return Reply.of(*_UNKNOWN)


def number(value: int) -> str:
    """0 to 100 in words."""
    if value < 20:
        return _UNITS[value]
    if value >= 100:
        return "one hundred"
    tens, units = divmod(value, 10)
    return _TENS[tens - 2] + (f"-{_UNITS[units]}" if units else "")


def spoken_time(clock: datetime) -> str:
    """``three oh five in the afternoon``."""
    hour = number((clock.hour - 1) % 12 + 1)
    minute = clock.minute
    if minute == 0:
        time = f"{hour} o'clock"
    else:
        time = f"{hour} {'oh ' if minute < 10 else ''}{number(minute)}"
    part = "morning" if clock.hour < 12 else "afternoon" if clock.hour < 18 else "evening"
    return f"{time} in the {part}"


def weather(city: str) -> str:
    """An invented weather, the same for a city every day."""
    chance = zlib.crc32(city.encode(errors="replace"))
    sky, degrees = _SKIES[chance % len(_SKIES)], chance // 7 % 25 + 3
    return f"In {city} it is {sky} and {number(degrees)} degrees. I made that up."


def seen(memory: Conversation) -> str:
    """What can be said of the newest picture."""
    picture = memory.picture
    if picture is None:
        if memory.pictures:
            return "You have sent me a picture that I cannot read."
        return "I see nothing. You have not sent me a picture."
    return (
        f"I see a {picture.format} picture, {picture.width} pixels wide and "
        f"{picture.height} pixels high. That is all I can tell."
    )


def result(name: str, response: dict[str, Any]) -> str:
    """What a function answered, in words, at most 300 characters of it."""
    if "error" in response:
        return f"That did not work: {_words(response['error'])}"
    output = response.get("output", response.get("result", response))
    return _words(output) or f"{_words(name)} is done."


def _words(value: Any) -> str:
    """JSON as something that can be said."""
    if isinstance(value, dict):
        said = ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    elif isinstance(value, list):
        said = ", ".join(_words(item) for item in value)
    elif isinstance(value, bool):
        said = "yes" if value else "no"
    else:
        said = "" if value is None else str(value)
    return re.sub(r"[_\s]+", " ", said)[:300].strip()

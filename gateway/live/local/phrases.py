"""What the ears understand: a published list of phrases, and nothing else.

A phrase has an id, the ways of saying it as people write them, and at most one slot in
braces that takes a value from a list.  From the same list come the sentences the speech
recognizer listens for, the transcript of what it heard, and the reading of typed text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said: ``phrase`` is an id of :data:`PHRASES`, ``None`` when it was not one.

    ``slot`` is the value of the phrase's slot as :data:`SLOTS` writes it; ``text`` is the
    transcript, empty when speech was not understood.
    """

    phrase: str | None
    slot: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """One meaning and the ways of saying it; a request may come with a "please"."""

    id: str
    variants: tuple[str, ...]
    request: bool = False


SLOTS = MappingProxyType(
    {
        "city": (
            "Paris",
            "London",
            "Tokyo",
            "Berlin",
            "Barcelona",
            "Rome",
            "Vienna",
            "New York",
            "Chicago",
            "San Francisco",
            "Toronto",
            "Sydney",
        ),
        "sentence": (
            "The quick brown fox jumps over the lazy dog",
            "Practice makes perfect",
            "It is a beautiful day",
            "The train leaves at seven",
            "I would like a cup of coffee",
            "My favorite color is blue",
            "There are seven days in a week",
            "The children are playing in the garden",
            "She bought fresh bread this morning",
            "Every journey begins with a single step",
        ),
        "word": (
            "apple",
            "banana",
            "elephant",
            "guitar",
            "mountain",
            "umbrella",
            "chocolate",
            "penguin",
            "diamond",
            "pineapple",
            "kangaroo",
            "hospital",
        ),
        "number": ("five", "ten", "twenty", "fifty", "one hundred"),
        "switch": ("on", "off"),
    }
)

PHRASES = (
    Phrase(
        "hello",
        (
            "Hello",
            "Hello there",
            "Hi there",
            "Hi",
            "Good morning",
            "Good afternoon",
            "Good evening",
            "Hello, can you hear me?",
            "Can you hear me?",
        ),
    ),
    Phrase(
        "how_are_you",
        ("How are you?", "How are you today?", "How are you doing?", "Hello, how are you?"),
    ),
    Phrase("who_are_you", ("Who are you?", "What is your name?", "What's your name?")),
    Phrase(
        "help", ("What can you do?", "What can I say?", "Help me", "Can you help me?"), request=True
    ),
    Phrase(
        "what_time",
        (
            "What time is it?",
            "What time is it now?",
            "What's the time?",
            "What is the time?",
            "Tell me the time",
            "Can you tell me the time?",
            "Do you know what time it is?",
        ),
    ),
    Phrase(
        "count",
        (
            "Count to {number}",
            "Count from one to {number}",
            "Can you count to {number}?",
            "Count up to {number}",
        ),
        request=True,
    ),
    Phrase(
        "story",
        (
            "Tell me a story",
            "Tell me a long story",
            "Can you tell me a story?",
            "I want to hear a story",
        ),
        request=True,
    ),
    Phrase(
        "joke",
        (
            "Tell me a joke",
            "Can you tell me a joke?",
            "Do you know a joke?",
        ),
        request=True,
    ),
    Phrase(
        "weather",
        (
            "What is the weather in {city}?",
            "What's the weather in {city}?",
            "What is the weather like in {city}?",
            "What's the weather like in {city}?",
            "How is the weather in {city}?",
            "How's the weather in {city}?",
            "Tell me the weather in {city}",
        ),
    ),
    Phrase(
        "what_see",
        (
            "What do you see?",
            "What can you see?",
            "Can you see me?",
            "Can you see this?",
            "What is in the picture?",
            "Describe the picture",
            "Describe what you see",
        ),
    ),
    Phrase("repeat", ("Repeat after me: {sentence}",), request=True),
    Phrase("remember", ("Remember the word {word}", "Remember this word: {word}"), request=True),
    Phrase(
        "recall",
        (
            "What was the word?",
            "What was the word again?",
            "What was my word?",
            "Which word was it?",
            "Do you remember the word?",
            "What word did I tell you?",
        ),
    ),
    Phrase(
        "light",
        (
            "Turn {switch} the light",
            "Turn the light {switch}",
            "Switch {switch} the light",
            "Switch the light {switch}",
            "Turn {switch} the lights",
            "Turn the lights {switch}",
        ),
        request=True,
    ),
    Phrase("stop", ("Stop", "Stop it", "Stop talking", "Be quiet", "That's enough"), request=True),
    Phrase("thank_you", ("Thank you", "Thank you very much", "Thanks", "Thanks a lot")),
    Phrase(
        "goodbye",
        (
            "Goodbye",
            "Bye",
            "Bye bye",
            "See you later",
            "See you soon",
            "See you tomorrow",
            "Good night",
        ),
    ),
)

# What people say all the time and what means nothing here.  It is listened for, because
# the recognizer would otherwise take it for something short that does mean something.
UNHEEDED = (
    "absolutely",
    "all right",
    "and",
    "exactly",
    "excuse me",
    "great",
    "hold on",
    "i don't know",
    "i know",
    "i see",
    "i think so",
    "maybe",
    "maybe later",
    "never mind",
    "no",
    "not really",
    "nothing",
    "of course",
    "oh",
    "okay",
    "one moment",
    "really",
    "right",
    "sorry",
    "sure",
    "wait a minute",
    "well",
    "yeah",
    "yes",
)

# A word that changes no meaning, at the beginning or the end of anything.
LONGEST_TEXT = 1000  # characters that are read; patterns take longer than linear time
POLITE = "please"

_NUMERALS = {"5": "five", "10": "ten", "20": "twenty", "50": "fifty", "100": "one hundred"}
_OPEN_SLOTS = frozenset({"city", "word", "sentence"})
_MARKS = " \t\r\n.,:;!?…-–—\"'“”‘’«»()[]。！？"
_SLOT = re.compile(r"\{(\w+)\}")


def normalize(text: str) -> str:
    """Lower-case words with single spaces: what is left when only the words count."""
    words = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.lower())
    return " ".join(_NUMERALS.get(word, word) for word in words).replace("’", "'")


def understand(text: str) -> Heard:
    """Typed text, read with the same ids; a city, a word and a sentence may be any."""
    begin = text[:LONGEST_TEXT]
    words = _without_please(normalize(begin))
    if (known := sentences().get(words)) is not None:
        return Heard(known.phrase, known.slot, text)
    polite = _cut_please(begin)
    for phrase, pattern, is_name in _open_variants():
        if match := pattern.fullmatch(polite):
            slot = match[1].strip(_MARKS) if is_name else match[1].strip()
            if slot:
                return Heard(phrase, slot, text)
    return Heard(None, None, text)


@lru_cache(maxsize=1)
def sentences() -> MappingProxyType[str, Heard]:
    """Every sentence of the list: its normalized words, and what it means."""
    found: dict[str, Heard] = {}
    for phrase in PHRASES:
        for variant in phrase.variants:
            slot = _SLOT.search(variant)
            for value in SLOTS[slot[1]] if slot else (None,):
                text = _SLOT.sub(value, variant) if value else variant
                found[normalize(text)] = Heard(phrase.id, value, text)
    return MappingProxyType(found)


# What people try first, so that a short list begins with it.
_FIRST = ("what_time", "story", "count", "weather", "joke", "remember", "recall", "repeat", "help")


def examples() -> tuple[str, ...]:
    """One sentence for each phrase, as people write it, the most inviting first."""
    order = sorted(PHRASES, key=lambda p: _FIRST.index(p.id) if p.id in _FIRST else len(_FIRST))
    return tuple(_SLOT.sub(lambda slot: SLOTS[slot[1]][0], p.variants[0]) for p in order)


def heard(words: str) -> Heard:
    """What recognized ``words`` mean: their phrase and transcript, or nothing understood."""
    return sentences().get(_without_please(normalize(words)), Heard(None, None, ""))


def spoken() -> frozenset[str]:
    """Everything the recognizer listens for, as normalized words."""
    requests = {phrase.id for phrase in PHRASES if phrase.request}
    polite = {words for words, known in sentences().items() if known.phrase in requests}
    return (
        frozenset(sentences())
        | frozenset(UNHEEDED)
        | {f"{POLITE} {words}" for words in polite}
        | {f"{words} {POLITE}" for words in polite}
    )


def _without_please(words: str) -> str:
    return words.removeprefix(POLITE + " ").removesuffix(" " + POLITE)


def _cut_please(text: str) -> str:
    bare = text.rstrip(_MARKS)
    before = bare[: -len(POLITE)]
    is_polite = bare.lower().endswith(POLITE) and before[-1:] in _MARKS
    return before.rstrip(_MARKS) if is_polite else text


@lru_cache(maxsize=1)
def _open_variants() -> tuple[tuple[str, re.Pattern[str], bool], ...]:
    """The variants whose slot takes any text when it is typed: the id of the phrase, a
    pattern of such a text, and whether the slot is a name without marks around it."""
    found = []
    for phrase in PHRASES:
        for variant in phrase.variants:
            slot = _SLOT.search(variant)
            if slot and slot[1] in _OPEN_SLOTS:
                words = r"\W+".join(map(re.escape, normalize(variant[: slot.start()]).split()))
                pattern = rf"\W*(?:{POLITE}\W+)?{words}[\s:,;.–—-]+(\S.*)".replace("'", "['’]")
                found.append((phrase.id, re.compile(pattern, re.I | re.S), slot[1] != "sentence"))
    return tuple(found)

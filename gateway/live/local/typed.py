"""What people type when they mean a phrase of the list but write it in their own way.

A keyboard is freer than the ears: a greeting or a "could you" goes before a request, a
"please" after it, and half a sentence is enough.  Such a text is read as the phrase it
means, as if that had been typed; every other text is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.live.local.answers import number
from gateway.live.local.phrases import LONGEST_TEXT, normalize, understand

_MOST_OPENERS = 6
_OPENER = re.compile(
    r"(?:(?:hey|hi|hello)(?: there)?|okay|ok|so|well|um|now|and|then|yes|please|just|kindly"
    r"|(?:could|can|would|will) you|(?:i want|i would like|i['’]d like) you to)\b[ ,.!:;–—-]+",
    re.I,
)
_CLOSER = re.compile(
    r"[ ,]+(?:please|now|then|today|for me|thanks|thank you|if you can)[.!? ]*$", re.I
)
_NUMBERS = {
    spelling: value
    for value in range(1, 101)
    for spelling in (str(value), normalize(number(value)))
}


def plain(text: str) -> str:
    """``text``, or the words of the list's phrase that it means."""
    if understand(text).phrase is not None:
        return text
    rest = " ".join(text[:LONGEST_TEXT].split())
    for _ in range(_MOST_OPENERS):
        for words in (_without_closer(rest), rest):
            if (meant := _meant(words)) is not None:
                return meant
        opener = _OPENER.match(rest)
        if opener is None:
            break
        rest = rest[opener.end() :]
    return text


def _without_closer(text: str) -> str:
    match = _CLOSER.search(text)
    return text[: match.start()] if match else text


def _meant(words: str) -> str | None:
    if understand(words).phrase is not None:
        return words
    bare = words.strip(' .,:;!?…–—-"“”')
    for pattern, meaning in _SHORT:
        if match := pattern.fullmatch(bare):
            return meaning(match)
    return None


def _count(match: re.Match[str]) -> str | None:
    last = _NUMBERS.get(normalize(match[1]))
    if last is None:
        return None
    return "Say: " + " ".join(f"{number(value).capitalize()}." for value in range(1, last + 1))


def _always(phrase: str) -> Callable[[re.Match[str]], str]:
    return lambda _: phrase


_Meaning = Callable[[re.Match[str]], str | None]
_SHORT: tuple[tuple[re.Pattern[str], _Meaning], ...] = tuple(
    (re.compile(pattern, re.I), meaning)
    for pattern, meaning in (
        (r"help|help me out|(?:show )?help please|commands|what do you (?:do|know|understand)",
         _always("What can you do?")),
        (r"(?:tell me )?(?:what )?(?:the )?(?:current )?time(?: it is| is it)?(?: now)?",
         _always("What time is it?")),
        (r"(?:(?:what['’]s|what is|how['’]s|how is|tell me|and) )?(?:about )?(?:the )?"
         r"weather (?:like )?(?:today )?(?:in|for|at) (\S.*)",
         lambda match: f"What is the weather in {match[1]}?"),
        (r"(?:(?:what['’]s|what is|how['’]s|how is|tell me) )?(?:the )?weather(?: like)?",
         _always("What is the weather in Paris?")),
        (r"(?:(?:tell|give) me |tell |i want |know )?(?:a|another|one more|a different|some)?"
         r" ?(?:(?:good|new|funny|short) )?jokes?",
         _always("Tell me a joke")),
        (r"(?:(?:tell|give|read) me |tell |i want )?(?:a|another|one more|a different)?"
         r" ?(?:(?:good|new|short|long|bedtime) )?story",
         _always("Tell me a story")),
        (r"(?:start )?count(?:ing)?(?: from (?:one|1))?(?: up)? to ([\w-]+(?: [\w-]+)?)", _count),
        (r"hey|hey there|yo|hiya", _always("Hello")),
        (r"ty|thx|many thanks", _always("Thank you")),
    )
)  # fmt: skip

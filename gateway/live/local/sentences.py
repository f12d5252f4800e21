"""Text into sentences, so that the first of them can be heard while the rest is made.

A sentence ends at a mark that is followed by a space or the end of the text; the marks of
scripts that write no spaces (``。``) end one anywhere.  Abbreviations, initials and decimal
numbers keep theirs.  What is too long to say in one breath is cut again at a comma.
"""

from __future__ import annotations

import re

LONGEST = 240  # characters: about 15 s

_END = re.compile(
    r"""[。！？｡]+[」』”’"')\]]*\s*         # Chinese and Japanese: no space follows
      | (?:[.!?…؟۔।॥]+[”’»"')\]]*)(?=\s|$)\s*
      | \s*\n\s*""",
    re.VERBOSE,
)
_PAUSE = re.compile(r"[,;:،؛、，；：—–]+\s*|\s+[-–—]\s+")
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof sr jr st vs etc e.g i.e a.m p.m approx inc ltd fig vol "
    "z.b d.h u.a usw bzw ca nr hr fr str m mme mlle p.ej ud uds sra srta av núm pág "
    "sig dott ing т.д т.п т.е г ул н.э".split()
)


def split(text: str) -> list[str]:
    """The sentences of ``text``, in order, stripped, none of them empty.

    Joined by spaces they hold every visible character of ``text``; none is longer than
    :data:`LONGEST` characters.
    """
    found: list[str] = []
    begin = 0
    for end in _END.finditer(text):
        if not _is_abbreviation(text[begin : end.start()], end[0]):
            found.append(text[begin : end.end()])
            begin = end.end()
    found.append(text[begin:])
    return [piece for sentence in found for piece in _breaths(sentence.strip()) if piece]


def _is_abbreviation(before: str, mark: str) -> bool:
    """Whether ``mark`` is the full stop of an abbreviation or an initial."""
    if mark.rstrip() != "." or mark == ".":
        return False  # another mark, or the end of the text
    word = re.split(r"[\s(\[\"'“‘«]+", before)[-1]
    return word.lower() in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "I")


def _breaths(sentence: str) -> list[str]:
    """``sentence`` whole, or cut at the last comma or space before it gets too long."""
    pieces: list[str] = []
    while len(sentence) > LONGEST:
        pauses = [pause.end() for pause in _PAUSE.finditer(sentence, 0, LONGEST)]
        at = pauses[-1] if pauses else sentence.rfind(" ", 0, LONGEST) + 1
        at = at or LONGEST
        pieces.append(sentence[:at].strip())
        sentence = sentence[at:].strip()
    return [*pieces, sentence]

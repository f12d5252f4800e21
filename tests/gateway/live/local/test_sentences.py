from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.local.sentences import LONGEST, split

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        (" \n ", []),
        ("Hello", ["Hello"]),
        ("Hello there. How are you?", ["Hello there.", "How are you?"]),
        ("Really?! Yes... Well", ["Really?!", "Yes...", "Well"]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("It costs 3.14 euros. Fine", ["It costs 3.14 euros.", "Fine"]),
        ("Version 1.2.3 is out.", ["Version 1.2.3 is out."]),
        ("Dr. Smith and Mrs. Jones met. Twice", ["Dr. Smith and Mrs. Jones met.", "Twice"]),
        ("J. S. Bach wrote it, e.g. in May.", ["J. S. Bach wrote it, e.g. in May."]),
        ("At 5 p.m. we eat.", ["At 5 p.m. we eat."]),
        ("No. That is it. It is I. Good.", ["No.", "That is it.", "It is I.", "Good."]),
        ("one\ntwo\n\nthree", ["one", "two", "three"]),
        ("今日は。散歩に行きましょう！はい", ["今日は。", "散歩に行きましょう！", "はい"]),
        ("「はい。」と言った。", ["「はい。」", "と言った。"]),
        ("आप कैसे हैं? ठीक हूँ। धन्यवाद", ["आप कैसे हैं?", "ठीक हूँ।", "धन्यवाद"]),
        ("مرحبا! كيف حالك؟ أنا بخير.", ["مرحبا!", "كيف حالك؟", "أنا بخير."]),
        ("Das ist z. B. gut. Ende", ["Das ist z. B. gut.", "Ende"]),
        ("¿Qué tal? ¡Muy bien!", ["¿Qué tal?", "¡Muy bien!"]),
    ],
)
def test_sentences_end_where_people_end_them(text: str, sentences: list[str]) -> None:
    assert split(text) == sentences


def test_a_long_sentence_is_cut_at_a_comma_or_else_between_words() -> None:
    first, *_ = split("word " * 40 + "end, " + "more " * 40)
    assert first.endswith("end,")
    assert all(len(piece) <= LONGEST for piece in split("word " * 500))
    assert all(set(piece.split()) == {"word"} for piece in split("word " * 500))
    assert [len(piece) for piece in split("x" * 1000)] == [LONGEST] * 4 + [1000 - 4 * LONGEST]


@given(st.text(max_size=2000))
def test_nothing_is_lost_and_nothing_is_long(text: str) -> None:
    pieces = split(text)
    assert re.sub(r"\s", "", "".join(pieces)) == re.sub(r"\s", "", text)
    assert all(0 < len(piece) <= LONGEST and piece == piece.strip() for piece in pieces)

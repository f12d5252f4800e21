from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.local.phrases import (
    PHRASES,
    SLOTS,
    UNHEEDED,
    Heard,
    examples,
    heard,
    normalize,
    sentences,
    spoken,
    understand,
)

pytestmark = pytest.mark.unit

PUBLISHED = {
    "hello",
    "how_are_you",
    "who_are_you",
    "help",
    "what_time",
    "count",
    "story",
    "joke",
    "weather",
    "what_see",
    "repeat",
    "remember",
    "recall",
    "light",
    "stop",
    "thank_you",
    "goodbye",
}


def test_the_ids_are_those_that_are_published() -> None:
    assert {phrase.id for phrase in PHRASES} == PUBLISHED
    assert len(PHRASES) == len(PUBLISHED)


def test_every_sentence_is_understood_as_what_it_stands_for() -> None:
    for words, meaning in sentences().items():
        assert understand(meaning.text) == meaning
        assert understand(words.upper() + " ?!") == Heard(
            meaning.phrase, meaning.slot, words.upper() + " ?!"
        )
        assert heard(words) == meaning


def test_no_sentence_means_two_things() -> None:
    count = sum(
        len(SLOTS[slot[1]]) if (slot := re.search(r"\{(\w+)\}", variant)) else 1
        for phrase in PHRASES
        for variant in phrase.variants
    )
    assert len(sentences()) == count


def test_every_slot_is_used_and_every_used_slot_exists() -> None:
    used = {
        name
        for phrase in PHRASES
        for variant in phrase.variants
        for name in re.findall(r"\{(\w+)\}", variant)
    }
    assert used == set(SLOTS)


@pytest.mark.parametrize(
    ("text", "phrase", "slot"),
    [
        ("hello", "hello", None),
        ("Good morning!", "hello", None),
        ("HI THERE", "hello", None),
        ("what's the time", "what_time", None),
        ("What’s the time?", "what_time", None),
        ("please tell me a joke", "joke", None),
        ("Tell me a joke, please!", "joke", None),
        ("count to 10", "count", "ten"),
        ("Count from one to 100, please.", "count", "one hundred"),
        ("What is the weather in new york?", "weather", "New York"),
        ("What's the weather like in Ulan Bator?", "weather", "Ulan Bator"),
        ("tell me the weather in 東京", "weather", "東京"),
        ("Remember the word tiger.", "remember", "tiger"),
        ("Remember this word: 'Käse'", "remember", "Käse"),
        ("remember the word displease", "remember", "displease"),
        ("Turn the light off", "light", "off"),
        ("turn on the lights please", "light", "on"),
        ("Do you remember the word?", "recall", None),
        ("bye-bye", "goodbye", None),
    ],
)
def test_typed_text_is_read_as_people_type_it(text: str, phrase: str, slot: str | None) -> None:
    assert understand(text) == Heard(phrase, slot, text)


@pytest.mark.parametrize(
    ("text", "slot"),
    [
        ("Repeat after me: practice makes perfect", "Practice makes perfect"),
        ("Repeat after me: I like cheese, really!", "I like cheese, really!"),
        ("please REPEAT AFTER ME, hello", "hello"),
        ('Repeat after me: "Yes!"', '"Yes!"'),
        ("repeat after me: ¿Qué tal?", "¿Qué tal?"),
        ("repeat after me\nline one\nline two\n", "line one\nline two"),
        ("repeat after me I would like tea, please", "I would like tea"),
    ],
)
def test_whatever_is_typed_after_repeat_after_me_is_repeated(text: str, slot: str) -> None:
    assert understand(text) == Heard("repeat", slot, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "?!",
        "please",
        "weather",
        "repeat after me",
        "repeat after me: ",
        "remember the word ...",
        "remember the word please",
        "what is the weather in",
        "what is the weather inside",
        "tell me",
        "count to potato",
        "turn the light blue",
        "I said hello",
    ],
)
def test_other_text_is_not_understood_but_kept(text: str) -> None:
    assert understand(text) == Heard(None, None, text)


def test_recognized_words_that_are_no_sentence_mean_nothing() -> None:
    assert heard("what is the weather in") == heard("") == Heard(None, None, "")


def test_please_belongs_to_requests() -> None:
    assert {"please tell me a joke", "stop please"} <= spoken()
    assert not {"please hello", "thank you please"} & spoken()
    assert set(sentences()) <= spoken()


def test_what_means_nothing_is_listened_for_and_not_understood() -> None:
    meaningless = {words for words in spoken() if heard(words) == Heard(None, None, "")}
    assert meaningless == set(UNHEEDED)
    assert all(normalize(words) == words for words in UNHEEDED)


def test_the_examples_are_one_for_each_phrase() -> None:
    meant = [understand(text).phrase for text in examples()]
    assert set(meant) == {phrase.id for phrase in PHRASES}
    assert len(meant) == len(PHRASES)
    assert meant[:3] == ["what_time", "story", "count"]
    assert "What is the weather in Paris?" in examples()


def test_normal_form_has_words_only() -> None:
    assert normalize("  What’s   THE time -- now?! ") == "what's the time now"
    assert normalize("snake_case 100%") == "snake case one hundred"


@given(st.text(max_size=300))
def test_any_text_can_be_typed(text: str) -> None:
    found = understand(text)
    assert found.text == text
    assert found.phrase is None or found.phrase in PUBLISHED
    assert found.slot is None or found.slot.strip() == found.slot != ""
    assert normalize(normalize(text)) == normalize(text)


@pytest.mark.parametrize("text", ["," * 32_000, "a " * 16_000, "please " * 4_000])
@pytest.mark.parametrize("opening", ["", "repeat after me ", "what is the weather in "])
@pytest.mark.timeout(5)
def test_long_text_takes_no_longer_than_reading_it(opening: str, text: str) -> None:
    assert understand(opening + text).text == opening + text

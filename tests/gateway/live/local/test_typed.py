"""Typed text that means a phrase of the list without being one."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.local.phrases import LONGEST_TEXT, examples, understand
from gateway.live.local.script import Rule, Script
from gateway.live.local.typed import plain
from gateway.live.messages import RealtimeText
from tests.gateway.live.local.virtual import DEV_25, Virtual, user

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "phrase", "slot"),
    [
        ("help", "help", None),
        ("Help!", "help", None),
        ("help please", "help", None),
        ("weather in Rome", "weather", "Rome"),
        ("And the weather in Rome?", "weather", "Rome"),
        ("hey, how's the weather for New York today?", "weather", "New York"),
        ("weather", "weather", "Paris"),
        ("tell me another joke", "joke", None),
        ("another joke", "joke", None),
        ("one more joke, please!", "joke", None),
        ("could you please tell me a joke", "joke", None),
        ("Hey, tell me a joke", "joke", None),
        ("hello there! would you tell me a story?", "story", None),
        ("I'd like you to tell me a story", "story", None),
        ("okay, so could you tell me what time it is", "what_time", None),
        ("Could you turn on the light for me?", "light", "on"),
        ("hey there", "hello", None),
        ("please could you remember the word giraffe", "remember", "giraffe"),
    ],
)
def test_it_is_read_as_the_phrase_it_means(text: str, phrase: str, slot: str | None) -> None:
    heard = understand(plain(text))
    assert (heard.phrase, heard.slot) == (phrase, slot)


@pytest.mark.parametrize("text", ["count to three", "Count up to 3.", "hey, count from one to 3"])
def test_it_counts_to_any_number_up_to_a_hundred(text: str) -> None:
    assert plain(text) == "Say: One. Two. Three."
    assert plain("count to 99").endswith(" Ninety-nine.")
    assert plain("count to forty two") == plain("count to forty-two") == plain("Count to 42")


@pytest.mark.parametrize(
    "text",
    [
        *examples(),
        "",
        "?",
        "hey",
        "count to a million",
        "count to 0",
        "How do I help my neighbour",
        "I said no jokes",
        "the story of my life",
        "Say: could you please tell me a joke",
        "Greet the caller in one short sentence.",
        "hello there are jokes",
        "weathering in Rome",
    ],
)
def test_other_text_and_the_phrases_themselves_are_left_alone(text: str) -> None:
    assert plain(text) == ("Hello" if text == "hey" else text)


@given(st.text(max_size=200))
def test_any_text_is_read_without_trouble(text: str) -> None:
    meant = plain(text)
    assert meant == text or understand(meant).phrase is not None or meant.startswith("Say: ")


@pytest.mark.parametrize("piece", ["hey, ", "please ", " ", ",", "a joke ", "weather in "])
def test_long_text_takes_no_time(piece: str) -> None:
    begin = time.process_time()
    plain(piece * LONGEST_TEXT * 20)
    assert time.process_time() - begin < 0.5


def test_a_typed_request_is_answered_in_the_conversation() -> None:
    talk = Virtual()
    talk.say(RealtimeText("Hey, could you please count to three?"))
    talk.run()
    assert talk.text() == "One. Two. Three."
    older = Virtual(model=DEV_25)
    older.say(user("weather in Rome"))
    older.run()
    assert older.text().startswith("In Rome it is")


def test_another_joke_is_another() -> None:
    talk = Virtual()
    for text in ("tell me a joke", "tell me another joke"):
        talk.say(RealtimeText(text))
        talk.run(60)
    assert "sticky hair" in talk.text()


def test_a_script_sees_what_was_typed() -> None:
    talk = Virtual(script=Script(rules=(Rule("another", say="Scripted."),)))
    talk.say(RealtimeText("tell me another joke"))
    talk.run()
    assert talk.text() == "Scripted."

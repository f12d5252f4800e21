from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.live import catalog
from gateway.live.local import answers
from gateway.live.local.languages import LANGUAGES, is_english, language_of
from gateway.live.local.model import LocalModel
from gateway.live.local.phrases import PHRASES, SLOTS, Heard, sentences, understand
from gateway.live.local.picture import Picture, look
from gateway.live.local.reply import Call, Conversation, Reply, Turn
from gateway.live.local.settings import Function, Settings
from gateway.live.local.voices import LANGUAGES as SPOKEN

pytestmark = pytest.mark.unit

WORD = SLOTS["word"][0]
NOON = datetime(2026, 11, 22, 12, 0)
NEW = Conversation()
ENGLISH = LocalModel(Settings("m"))


def said(reply: Reply) -> str:
    return " ".join(sentence.text for sentence in reply.sentences)


def read(
    text: str, memory: Conversation = NEW, *, clock: datetime = NOON, **settings: Any
) -> Reply:
    reply, _ = LocalModel(Settings("m", **settings)).read(text, memory, clock)
    return reply


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        ("Hello", "Hello! I can hear you. Ask me what I can do."),
        ("How are you?", "I am fine, thank you. I hope you are well too."),
        ("What time is it?", "It is twelve o'clock in the afternoon."),
        ("Who are you?", "I am the local model. I run on this machine, with no network."),
        ("Thank you", "You are welcome."),
        ("Stop", "Okay."),
        ("Goodbye", "Goodbye! It was nice talking to you."),
        ("Turn on the light", "I have no light that I could turn on."),
        ("What was the word?", "You have not told me a word yet."),
        ("What do you see?", "I see nothing. You have not sent me a picture."),
        ("Repeat after me: every journey begins!", "every journey begins!"),
    ],
)
def test_phrases_have_their_answers(heard: str, answer: str) -> None:
    assert said(read(heard)) == answer


def test_every_phrase_has_an_answer_of_its_own() -> None:
    unknown = answers.answer(Heard(None, None, ""), NEW, NOON)
    by_phrase: dict[str, str] = {}
    for heard in sentences().values():
        reply = answers.answer(heard, NEW, NOON)
        assert reply.sentences
        assert reply != unknown, heard.phrase
        by_phrase[heard.phrase or ""] = said(reply)
    assert set(by_phrase) == {phrase.id for phrase in PHRASES}
    assert len(set(by_phrase.values())) == len(PHRASES)


def test_anything_else_is_answered_with_what_is_understood() -> None:
    answer = said(read("Explain quantum chromodynamics"))
    assert answer.startswith("I did not understand that.")
    assert "the weather in Paris" in answer
    assert answer == said(ENGLISH.reply(Heard(None, None, ""), NEW, NOON)[0])


@pytest.mark.parametrize(
    ("hour", "minute", "words"),
    [
        (0, 0, "twelve o'clock in the morning"),
        (9, 5, "nine oh five in the morning"),
        (12, 30, "twelve thirty in the afternoon"),
        (15, 42, "three forty-two in the afternoon"),
        (23, 59, "eleven fifty-nine in the evening"),
    ],
)
def test_the_time_is_told_in_words(hour: int, minute: int, words: str) -> None:
    clock = datetime(2026, 1, 1, hour, minute)
    assert said(read("What time is it?", clock=clock)) == f"It is {words}."


def test_counting_is_a_sentence_a_number_slow_enough_to_interrupt() -> None:
    reply = read("Count to ten")
    assert [sentence.text for sentence in reply.sentences][:3] == ["One.", "Two.", "Three."]
    assert len(reply.sentences) == 10
    assert all(sentence.pause_ms >= 300 for sentence in reply.sentences)
    assert read("Count to one hundred").sentences[-1].text == "One hundred."
    assert read("Count to one hundred").sentences[65].text == "Sixty-six."


def test_a_story_takes_about_a_minute() -> None:
    words = said(read("Tell me a story")).split()
    assert 140 <= len(words) <= 200  # 165 a minute


def test_the_weather_is_invented_and_always_the_same() -> None:
    paris, rome = (
        said(read("How is the weather in Paris?")),
        said(read("How's the weather in Rome?")),
    )
    assert paris.startswith("In Paris it is ")
    assert paris.endswith("I made that up.")
    assert paris == said(read("What is the weather like in Paris?"))
    assert paris.replace("Paris", "") != rome.replace("Rome", "")


def test_a_word_is_remembered_in_the_conversation_only() -> None:
    reply, word = ENGLISH.reply(understand(f"Remember the word {WORD}"), NEW, NOON)
    assert (said(reply), word) == (f"I will remember the word {WORD}.", WORD)
    memory = Conversation(word=word)
    reply, word = ENGLISH.reply(understand("Which word was it?"), memory, NOON)
    assert (said(reply), word) == (f"The word was {WORD}.", WORD)


def test_jokes_take_turns() -> None:
    jokes = {
        said(read("Tell me a joke", Conversation(turns=(Turn("user", "x"),) * 2 * count)))
        for count in range(3)
    }
    assert len(jokes) == 3


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Say: Hello there. How are you?", ["Hello there.", "How are you?"]),
        ('Say exactly "Good day!"', ["Good day!"]),
        ("please say exactly: a, b and c", ["a, b and c"]),
        ("Say hello", ["hello"]),
        ("Say after me: Practice makes perfect", ["Practice makes perfect"]),
        ("Greet the caller with “Welcome to livegate.”", ["Welcome to livegate."]),
        ("Greet the caller", ["Hello!", "I am the local model. Ask me what I can do."]),
        ("Please introduce yourself.", ["Hello!", "I am the local model. Ask me what I can do."]),
        ("Welcome the user by saying: 'Hi!'", ["Hi!"]),
    ],
)
def test_it_says_what_it_is_told_to_say(text: str, sentences: list[str]) -> None:
    assert [sentence.text for sentence in read(text).sentences] == sentences


# -- functions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "text", "call"),
    [
        (
            Function("get_weather", {"place": {"type": "STRING"}, "days": {"type": "INTEGER"}}),
            "What's the weather in Tokyo?",
            Call("get_weather", {"place": "Tokyo"}),
        ),
        (
            Function(
                "weather",
                {"unit": {"type": "string", "enum": ["C", "F"]}, "where": {"type": "string"}},
                ("where", "unit"),
            ),
            "What's the weather in Tokyo?",
            Call("weather", {"where": "Tokyo", "unit": "C"}),
        ),
        (Function("weather"), "How is the weather in Rome?", Call("weather", {"city": "Rome"})),
        (
            Function("setLight", {"on": {"type": "boolean"}}),
            "Turn off the light",
            Call("setLight", {"on": False}),
        ),
        (
            Function("light", {"state": {"type": "STRING"}}),
            "Switch the light on, please",
            Call("light", {"state": "on"}),
        ),
        (Function("current_time"), "What time is it?", Call("current_time", {})),
        (Function("openTheDoor"), "Could you open the front door?", Call("openTheDoor", {})),
        (
            Function("order.pizza", {"size": {"type": "INTEGER"}}, ("size",)),
            "order a pizza",
            Call("order.pizza", {"size": 0}),
        ),
    ],
)
def test_a_declared_function_is_called_when_its_phrase_is_said(
    function: Function, text: str, call: Call
) -> None:
    reply = read(text, functions=(Function("other"), function))
    assert reply.calls == (call,)
    assert reply.sentences == ()


def test_what_a_function_answers_is_put_into_words() -> None:
    told = ENGLISH.told(
        [
            ("f", {"output": "It is raining."}),
            ("g", {"result": {"wind_speed": 3, "gusts": [4, 5], "dry": False, "note": None}}),
            ("h", {"error": "timeout"}),
            ("set_light", {}),
            ("i", {"output": "x" * 1000}),
        ]
    )
    texts = [sentence.text for sentence in told.sentences]
    assert texts[0] == "It is raining."
    assert texts[1] == "wind speed 3, gusts 4, 5, dry no, note"
    assert texts[2] == "That did not work: timeout"
    assert texts[3] == "set light is done."
    assert texts[4] == "x" * 300


def test_a_nudge_answers_what_was_said_last_or_greets() -> None:
    asked = Conversation(turns=(Turn("user", "Thanks"), Turn("model", "?")))
    assert said(ENGLISH.nudged(asked, NOON)[0]) == "You are welcome."
    assert said(ENGLISH.nudged(NEW, NOON)[0]).startswith("Hello!")


# -- languages -----------------------------------------------------------------------------


def test_the_languages_are_the_catalogues_and_the_voices() -> None:
    assert set(LANGUAGES) == {language.code for language in catalog.load().languages}
    assert set(LANGUAGES) == set(SPOKEN)
    names = {language.code: language.name for language in catalog.load().languages}
    for code, language in LANGUAGES.items():
        assert names[code].startswith(language.name)


@pytest.mark.parametrize("code", [code for code in LANGUAGES if not is_english(code)])
def test_in_another_language_it_hears_that_something_was_said(code: str) -> None:
    heard = said(read("Hello", language=code))
    assert heard == LANGUAGES[code].heard
    assert said(read("Greet the caller", language=code)) == LANGUAGES[code].greeting
    assert said(read("Say: Guten Tag!", language=code)) == "Guten Tag!"
    others = [language.heard for other, language in LANGUAGES.items() if other != code]
    assert heard not in others
    scripts = {"ru-RU": "А", "ja-JP": "ぁ", "ko-KR": "가", "ar-EG": "ا", "th-TH": "ก", "hi-IN": "अ"}
    if code in scripts:
        assert any(abs(ord(sign) - ord(scripts[code])) < 200 for sign in heard) or code == "ko-KR"


@pytest.mark.parametrize(
    ("code", "instructions", "language"),
    [
        (None, "", "en-US"),
        ("de-DE", "Respond in French.", "de-DE"),
        ("de", "", "de-DE"),
        ("pt-PT", "", "pt-BR"),
        ("en-GB", "", "en-US"),
        ("xx", "", "en-US"),
        (None, "You are kind. RESPOND IN GERMAN. You must respond in German.", "de-DE"),
        (None, "Speak only Polish, whatever happens.", "pl-PL"),
        (None, "Always answer the caller in short, and in Dutch.", "nl-NL"),
        (None, "Always answer in English.", "en-US"),
        (None, "Speak slowly. Reply in Korean.", "ko-KR"),
    ],
)
def test_the_language_is_the_setups_or_the_instructions(
    code: str | None, instructions: str, language: str
) -> None:
    assert language_of(code, instructions) == language


# -- pictures ------------------------------------------------------------------------------


def encoded(codec: str, pixel_format: str, width: int, height: int) -> bytes:
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, pixel_format
    context.time_base = Fraction(1, 1)
    picture = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")
    frame = picture.reformat(format=pixel_format)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


@pytest.mark.parametrize(
    ("codec", "pixel_format", "name"),
    [("mjpeg", "yuvj420p", "JPEG"), ("png", "rgb24", "PNG"), ("libwebp", "yuv420p", "WebP")],
)
def test_a_real_picture_is_measured(codec: str, pixel_format: str, name: str) -> None:
    data = encoded(codec, pixel_format, 330, 250)
    assert look(data) == Picture(name, 330, 250, len(data))


def test_the_extended_and_lossless_forms_of_webp_are_measured() -> None:
    header = b"RIFF\0\0\0\0WEBP"
    assert look(header + b"VP8L\0\0\0\0\x2f" + (99 | 49 << 14).to_bytes(4, "little")) == Picture(
        "WebP", 100, 50, 25
    )
    extended = header + b"VP8X" + bytes(8) + (99).to_bytes(3, "little") + (49).to_bytes(3, "little")
    assert look(extended) == Picture("WebP", 100, 50, 30)


@given(st.binary(max_size=64).flatmap(lambda tail: st.sampled_from(
    [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"RIFF1234WEBPVP8 "]
).map(lambda head: head + tail)))  # fmt: skip
@example(b"\xff\xd8\xff\xff\xff\xff\xff")
def test_any_bytes_are_a_picture_or_none(data: bytes) -> None:
    picture = look(data)
    assert picture is None or picture.size_bytes == len(data)


# -- properties ----------------------------------------------------------------------------


@given(st.text(max_size=300), st.sampled_from(sorted(LANGUAGES)))
def test_any_text_has_an_answer_that_is_always_the_same(text: str, language: str) -> None:
    functions = (Function("do_it"), Function("weather"))
    first = read(text, language=language, functions=functions)
    assert first == read(text, language=language, functions=functions)
    blank_say = not first.sentences and not first.calls
    assert not blank_say or understand(text).phrase == "repeat" or "say" in text.lower()


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_result_can_be_put_into_words(value: Any) -> None:
    assert answers.result("f", {"output": value})
    assert answers.result("f", {"error": value})
    assert isinstance(answers.result("f", {"x": value}), str)


def test_other_formats_are_no_pictures() -> None:
    assert look(b"GIF89a") is None

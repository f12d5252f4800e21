from __future__ import annotations

import io
import json
from dataclasses import astuple
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.live.local import sphinx
from gateway.live.local.grammar import word_graph
from gateway.live.local.phrases import spoken
from gateway.live.local.sphinx import Decoder, Match
from tests.support.speech import say

pytestmark = pytest.mark.integration

SILENCE = bytes(9600)


def graph_of(sentences: list[str]) -> list[object]:
    decoded: list[object] = json.loads(json.dumps(astuple(word_graph(sentences))))
    return decoded


@lru_cache(maxsize=1)
def decoder() -> Decoder:
    return Decoder(*graph_of(sorted(spoken())))  # type: ignore[arg-type]


def spoken_by(voice: str, text: str) -> bytes:
    return SILENCE + say(text, voice=voice)


def louder(pcm: bytes, db: float) -> bytes:
    samples = np.frombuffer(pcm, np.int16) * 10 ** (db / 20)
    return np.clip(samples, -32_768, 32_767).astype(np.int16).tobytes()


def test_every_word_of_the_list_is_in_the_dictionary() -> None:
    words = {word for sentence in spoken() for word in sentence.split()}
    unknown = [word for word in words if decoder()._decoder.lookup_word(word) is None]
    assert unknown == []


@pytest.mark.parametrize(
    "words",
    [
        "what is the weather in tokyo",
        "tell me a story",
        "please count to twenty",
        "repeat after me practice makes perfect",
        "thank you",
    ],
)
def test_a_sentence_of_the_graph_comes_back_as_its_words(words: str) -> None:
    assert decoder().words(spoken_by("Kore", words)) == words


@pytest.mark.parametrize("db", [-40, -20, 0, 12])
def test_the_level_of_the_sound_does_not_matter(db: float) -> None:
    pcm = louder(spoken_by("Kore", "what is the weather in tokyo"), db)
    assert decoder().words(pcm) == "what is the weather in tokyo"


def with_gaps(pcm: bytes, gap_ms: int) -> bytes:
    """``pcm`` with packets of zeros every 150 ms, in the middle of sounds."""
    samples = np.frombuffer(pcm, np.int16)
    loud = np.flatnonzero((abs(samples[:-1]) > 500) & (abs(samples[1:]) > 500))
    cuts = [int(loud[loud >= at][0]) + 1 for at in range(2400, int(loud[-1]), 2400)]
    pieces = np.split(samples, cuts)
    return bytes(32 * gap_ms).join(piece.tobytes() for piece in pieces)


@pytest.mark.parametrize("gap_ms", [20, 60, 300])
@pytest.mark.parametrize("voice", ["Puck", "Kore"])
def test_packets_of_silence_in_place_of_late_ones_do_not_matter(voice: str, gap_ms: int) -> None:
    pcm = spoken_by(voice, "tell me a joke")
    late = with_gaps(pcm, gap_ms)
    assert len(late) >= len(pcm) + 5 * 32 * gap_ms
    assert decoder().match(late) == decoder().match(pcm)


def test_an_utterance_is_heard_alike_whatever_came_before_it() -> None:
    first = decoder().match(spoken_by("Puck", "tell me a joke"))
    decoder().match(louder(spoken_by("Despina", "good evening"), 20))
    assert decoder().match(spoken_by("Puck", "tell me a joke")) == first


@pytest.mark.parametrize(
    "text",
    [
        "The committee will publish its report on Monday",
        "I usually take the early train on Fridays",
        "What did you have for breakfast",
    ],
)
def test_other_sentences_are_made_into_no_words(text: str) -> None:
    match = decoder().match(spoken_by("Kore", text))
    assert match is None or not match.was_said
    assert decoder().words(spoken_by("Kore", text)) == ""


def test_words_that_were_said_are_less_strange_than_words_that_were_not() -> None:
    said = decoder().match(spoken_by("Kore", "what was the word"))
    made_up = decoder().match(spoken_by("Kore", "when does the next bus leave"))
    assert said is not None
    assert made_up is not None
    assert made_up.strangeness > said.strangeness + 10


@pytest.mark.parametrize("pcm", [b"", b"\x01", bytes(320), bytes(64_000), b"\x01\x00" * 100])
def test_next_to_nothing_is_no_words(pcm: bytes) -> None:
    assert decoder().words(pcm) == ""


def test_nothing_that_takes_a_quarter_of_a_minute_is_decoded() -> None:
    assert decoder().match(spoken_by("Kore", "hello ") * 14) is None


@given(st.binary(max_size=20_000))
@settings(max_examples=25, deadline=None)
def test_any_bytes_are_taken(pcm: bytes) -> None:
    words = decoder().words(pcm)
    assert words == "" or words in spoken()


@pytest.mark.parametrize(
    ("match", "believed"),
    [
        (Match("w", loss=0, surplus=0, phones=10, frames=100, worst=3), True),
        (Match("w", loss=350, surplus=0, phones=10, frames=100, worst=3), True),
        (Match("w", loss=400, surplus=0, phones=10, frames=100, worst=3), False),
        (Match("w", loss=350, surplus=6, phones=9, frames=100, worst=3), False),
        (Match("w", loss=-200, surplus=0, phones=10, frames=100, worst=3), False),
        (Match("w", loss=0, surplus=0, phones=10, frames=40, worst=3), False),
        (Match("w", loss=0, surplus=0, phones=10, frames=300, worst=3), False),
        (Match("w", loss=0, surplus=0, phones=2, frames=55, worst=3), True),
        (Match("w", loss=0, surplus=0, phones=10, frames=55, worst=3), False),
        (Match("w", loss=0, surplus=0, phones=10, frames=100, worst=9), False),
    ],
)
def test_a_match_is_believed_within_its_bounds(match: Match, believed: bool) -> None:
    assert match.was_said is believed


def test_requests_are_answered_one_by_one_until_they_end() -> None:
    requests = json.dumps(graph_of(["tell me a joke", "tell me a story"])).encode() + b"\n"
    for text in ("tell me a joke", "the library is quiet", "tell me a story"):
        pcm = spoken_by("Kore", text)
        requests += len(pcm).to_bytes(sphinx.SIZE_BYTES, "big") + pcm
    answers = io.BytesIO()
    sphinx.serve(io.BytesIO(requests), answers)
    assert answers.getvalue() == b"ready\ntell me a joke\n\ntell me a story\n"

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.live.local.ears import Ears, EarsEvent, UtteranceEnded, UtteranceStarted
from tests.support.speech import say

pytestmark = pytest.mark.unit

SECOND = 32_000  # bytes
SENTENCE = "What is the weather like in London today?"


def hear(ears: Ears, pcm: bytes, chunk: int = 640) -> list[EarsEvent]:
    return [e for at in range(0, len(pcm), chunk) for e in ears.push(pcm[at : at + chunk])]


def ended(events: list[EarsEvent]) -> list[UtteranceEnded]:
    return [event for event in events if isinstance(event, UtteranceEnded)]


def level(pcm: bytes) -> float:
    return float(np.sqrt((np.frombuffer(pcm, np.int16).astype(float) ** 2).mean()))


def test_an_utterance_is_the_speech_with_a_little_silence_around_it() -> None:
    speech = say(SENTENCE)
    ears = Ears()
    start, end = hear(ears, bytes(2 * SECOND) + speech + bytes(SECOND))
    assert isinstance(start, UtteranceStarted)
    assert isinstance(end, UtteranceEnded)
    assert start.at_ms == pytest.approx(2000, abs=60)
    assert speech.strip(b"\0") in end.pcm
    before_ms = end.pcm.index(speech.strip(b"\0")) / 32
    assert 240 <= before_ms <= 400
    assert len(end.pcm) / 32 == pytest.approx(300 + len(speech) / 32, abs=120)
    assert not ears.is_open
    assert ears.received_ms == 3000 + len(speech) // 32


@pytest.mark.parametrize("chunk", [2, 320, 1000, 640 * 50, 10**7])
def test_the_size_of_the_chunks_makes_no_difference(chunk: int) -> None:
    pcm = bytes(SECOND) + say("Hello there") + bytes(SECOND) + say("Good evening") + bytes(SECOND)
    if chunk < 100:
        pcm = pcm[: SECOND + 8000]
    assert hear(Ears(), pcm, chunk) == hear(Ears(), pcm)


def test_two_utterances_share_no_audio_and_lose_none() -> None:
    first, second = say("Hello there"), say("Good evening")
    pcm = bytes(SECOND) + first + bytes(SECOND * 4 // 10) + second + bytes(SECOND)
    one, two = ended(hear(Ears(silence_duration_ms=300), pcm))
    assert first.strip(b"\0") in one.pcm
    assert second.strip(b"\0") in two.pcm
    assert len(one.pcm) + len(two.pcm) <= len(pcm)


def test_silence_makes_no_utterance_and_is_not_kept() -> None:
    ears = Ears()
    assert hear(ears, bytes(60 * SECOND)) == []
    assert ears.flush() == []
    assert ears.dropped_bytes == 0


def test_a_flush_ends_the_utterance_now_and_the_next_audio_opens_a_new_one() -> None:
    ears = Ears()
    speech = say(SENTENCE)
    (start,) = hear(ears, bytes(SECOND) + speech[:SECOND])
    assert ears.is_open
    (end,) = ears.flush()
    assert isinstance(start, UtteranceStarted)
    assert isinstance(end, UtteranceEnded)
    assert end.pcm.endswith(speech[SECOND - 3200 : SECOND])
    assert not ears.is_open
    assert ears.flush() == []
    again, _ = hear(ears, bytes(SECOND) + speech + bytes(SECOND))
    assert isinstance(again, UtteranceStarted)
    assert again.at_ms == pytest.approx(3000, abs=60)


def test_a_flush_keeps_an_end_that_came_before_it() -> None:
    ears = Ears(silence_duration_ms=2000)
    speech = say("Stop")
    hear(ears, bytes(SECOND) + speech + bytes(SECOND))
    (end,) = ended(ears.flush())
    assert end.at_ms == pytest.approx(1000 + len(speech) / 32 - 200, abs=60)
    assert len(end.pcm) / 32 == pytest.approx(len(speech) / 32 + 300, abs=120)


def test_long_speech_keeps_its_newest_part() -> None:
    ears = Ears(keep_ms=2000)
    speech = say(SENTENCE)
    (end,) = ended(hear(ears, bytes(SECOND) + speech + speech + bytes(SECOND)))
    assert len(end.pcm) <= 2 * SECOND
    assert ears.dropped_bytes >= 2 * len(speech) - 2 * SECOND
    assert level(end.pcm) > 500


def test_activity_messages_make_an_utterance_of_exactly_what_comes_between_them() -> None:
    ears = Ears(automatic=False)
    speech = say("Hello there")
    assert hear(ears, speech) == []
    (start,) = ears.activity_start()
    assert start == UtteranceStarted(len(speech) // 32)
    assert ears.is_open
    assert hear(ears, speech + bytes(3 * SECOND)) == []
    (end,) = ears.activity_end()
    assert isinstance(end, UtteranceEnded)
    assert end.pcm == speech + bytes(3 * SECOND)
    assert end.at_ms == ears.received_ms
    assert hear(ears, speech) == []


def test_activity_messages_out_of_order_change_nothing() -> None:
    ears = Ears(automatic=False)
    assert ears.activity_end() == []
    assert len(ears.activity_start()) == 1
    assert ears.activity_start() == []
    assert ears.flush() == []
    assert len(ears.activity_end()) == 1
    assert ears.activity_end() == []


def test_an_activity_without_audio_is_an_empty_utterance() -> None:
    ears = Ears(automatic=False)
    ears.activity_start()
    assert ears.activity_end() == [UtteranceEnded(0, b"")]


def test_activity_messages_mean_nothing_to_automatic_ears() -> None:
    ears = Ears()
    assert ears.activity_start() == ears.activity_end() == []
    assert not ears.is_open


def test_a_long_activity_is_bounded_too() -> None:
    ears = Ears(automatic=False, keep_ms=1000)
    ears.activity_start()
    hear(ears, bytes(5 * SECOND))
    (end,) = ended(ears.activity_end())
    assert len(end.pcm) == SECOND
    assert ears.dropped_bytes == 4 * SECOND


@given(st.lists(st.sampled_from(["speech", "silence", "start", "end", "flush"]), max_size=20))
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("automatic", [True, False])
def test_starts_and_ends_alternate_whatever_happens(automatic: bool, steps: list[str]) -> None:
    ears = Ears(automatic=automatic, silence_duration_ms=100, keep_ms=1000)
    events: list[EarsEvent] = []
    for step in steps:
        match step:
            case "speech":
                events += ears.push(say("Hello there"))
            case "silence":
                events += ears.push(bytes(SECOND // 4))
            case "start":
                events += ears.activity_start()
            case "end":
                events += ears.activity_end()
            case "flush":
                events += ears.flush()
    kinds = [isinstance(event, UtteranceStarted) for event in events]
    assert kinds == [number % 2 == 0 for number in range(len(events))]
    assert ears.is_open == (len(events) % 2 == 1)
    assert all(len(event.pcm) <= SECOND for event in ended(events))
    times = [event.at_ms for event in events]
    assert times == sorted(times)

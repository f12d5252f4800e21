from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.live.local.ears import EarsEvent, UtteranceEnded, UtteranceStarted
from gateway.live.local.hearing import Hearing
from gateway.live.local.settings import Detection
from tests.support.speech import say

pytestmark = pytest.mark.integration

SENTENCE = "Can you tell me the time?"


def heard(pcm: bytes, rate_hz: int, cut_bytes: int) -> list[EarsEvent]:
    hearing = Hearing(Detection())
    silence = bytes(rate_hz * 2)
    spoken = silence + pcm + silence
    events: list[EarsEvent] = []
    for start in range(0, len(spoken), cut_bytes):
        events += hearing.push(spoken[start : start + cut_bytes], rate_hz)
    return events


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("cut_bytes", [333, 640, 9_999])
def test_speech_is_heard_at_any_rate_and_however_it_is_cut(rate_hz: int, cut_bytes: int) -> None:
    started, ended = heard(say(SENTENCE, rate_hz=rate_hz), rate_hz, cut_bytes)
    assert isinstance(started, UtteranceStarted)
    assert started.at_ms == pytest.approx(1000, abs=100)
    assert isinstance(ended, UtteranceEnded)
    whole_ms = len(say(SENTENCE)) / 32
    assert len(ended.pcm) / 32 == pytest.approx(whole_ms + 600, abs=400)
    assert np.abs(np.frombuffer(ended.pcm, np.int16)).max() > 5000


def test_manual_detection_takes_what_lies_between_the_messages() -> None:
    hearing = Hearing(replace(Detection(), disabled=True))
    pcm = bytes(range(256)) * 10
    assert hearing.push(pcm, 16_000) == []
    (started,) = hearing.activity_start()
    assert started == UtteranceStarted(80)
    hearing.push(pcm[:99], 16_000)
    hearing.push(pcm[99:], 16_000)
    (ended,) = hearing.activity_end()
    assert ended == UtteranceEnded(160, pcm)


@given(st.lists(st.tuples(st.binary(max_size=2000), st.sampled_from([8000, 16000, 44100]))))
@settings(max_examples=30, deadline=None)
def test_any_bytes_at_any_rates_are_heard(pieces: list[tuple[bytes, int]]) -> None:
    hearing = Hearing(Detection(prefix_padding_ms=2**31 - 1, silence_duration_ms=2**31 - 1))
    for pcm, rate_hz in pieces:
        assert isinstance(hearing.push(pcm, rate_hz), list)
    assert isinstance(hearing.flush(), list)

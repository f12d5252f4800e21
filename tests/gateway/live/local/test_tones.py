from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.local.tones import tones
from gateway.media.vad import SpeechStarted, VoiceActivity

pytestmark = pytest.mark.unit

RATE_HZ = 16_000


def seconds(text: str) -> float:
    return len(tones(text, "Puck", RATE_HZ)) / 2 / RATE_HZ


def test_more_text_takes_longer() -> None:
    sentence = "The weather is very nice today."
    assert 1.5 < seconds(sentence) < 4
    assert seconds(sentence * 3) == pytest.approx(3 * seconds(sentence), rel=0.1)
    assert 0.5 < seconds("今日は天気") < 3


def test_the_sound_follows_text_and_voice_and_nothing_else() -> None:
    assert tones("hello", "Puck", RATE_HZ) == tones("hello", "Puck", RATE_HZ)
    assert tones("hello", "Puck", RATE_HZ) != tones("hello", "Kore", RATE_HZ)
    assert tones("hello there", "Puck", RATE_HZ) != tones("hello three", "Puck", RATE_HZ)


def test_a_voice_detector_takes_it_for_speech() -> None:
    found = VoiceActivity().push(
        bytes(16_000) + tones("Hello there, how are you?", "Kore", RATE_HZ)
    )
    assert isinstance(found[0], SpeechStarted)


@given(st.text(max_size=100), st.text(max_size=10))
def test_any_text_has_a_sound_that_fits_into_its_samples(text: str, voice: str) -> None:
    samples = np.frombuffer(tones(text, voice, RATE_HZ), np.int16)
    assert samples.size >= RATE_HZ // 100
    assert np.abs(samples).max() <= 8000

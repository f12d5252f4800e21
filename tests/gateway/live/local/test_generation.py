from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.local.generation import Generation, Pace, silence, tone
from gateway.live.messages import AudioChunk, Transcription

pytestmark = pytest.mark.unit


def generation(**pace: Any) -> Generation:
    return Generation(Pace(**pace), Random(1))


def test_a_starved_reply_goes_on_when_there_is_more() -> None:
    reply = generation(burst_factor=4.0, chunk_ms=100)
    reply.add("One.", silence(400), 0.0)
    assert len(reply.pull(0.0)) == 2
    assert reply.deadline == pytest.approx(0.025)
    reply.pull(0.1)
    assert reply.deadline is None
    assert not reply.complete
    reply.add("Two.", silence(200), 5.0)
    assert reply.deadline == 5.0
    assert reply.said == "One."
    reply.pull(5.0)
    reply.pull(5.1)
    reply.end()
    assert reply.complete
    assert reply.said == "One. Two."
    assert reply.played_at == pytest.approx(5.2)


def test_sound_can_be_cut_off_at_a_point() -> None:
    reply = generation(chunk_ms=100)
    reply.add("", silence(1000), 0.0)
    reply.pull(100.0, most_bytes=300 * 48)
    assert reply.sent_bytes == 300 * 48
    assert reply.unsent_bytes == 700 * 48


def test_a_tone_is_the_tone_it_says() -> None:
    pcm = np.frombuffer(tone(1000, 440.0), np.int16)
    assert pcm.size == 24_000
    spectrum = np.abs(np.fft.rfft(pcm))
    assert spectrum.argmax() == 440


@given(
    sentences=st.lists(st.tuples(st.text(max_size=60), st.integers(0, 2000)), max_size=5),
    order=st.sampled_from(["before", "with", "after"]),
    bundle=st.booleans(),
    spread=st.floats(0, 2),
    chunk_ms=st.integers(1, 500),
    step_s=st.floats(0.01, 3),
)
def test_all_sound_and_all_words_are_sent_once_and_in_order(
    sentences: list[tuple[str, int]],
    order: Any,
    bundle: bool,
    spread: float,
    chunk_ms: int,
    step_s: float,
) -> None:
    reply = generation(transcript=order, bundle=bundle, chunk_spread=spread, chunk_ms=chunk_ms)
    sounds = [bytes([number + 1, 0]) * (ms * 24) for number, (_, ms) in enumerate(sentences)]
    for (text, _), pcm in zip(sentences, sounds, strict=True):
        reply.add(text, pcm, 0.0)
    reply.end()
    now, frames = 0.0, []
    while not reply.complete:
        assert reply.deadline is not None
        now = max(now + step_s, reply.deadline)
        frames += reply.pull(now)
        assert reply.deadline is None or reply.deadline > now
    events = [event for frame in frames for event in frame]
    assert all(frames), "an empty frame"
    sent = b"".join(event.pcm for event in events if isinstance(event, AudioChunk))
    assert sent == b"".join(sounds)
    shown = "".join(event.text for event in events if isinstance(event, Transcription))
    assert shown == reply.said
    assert "".join(shown.split()) == "".join("".join(text for text, _ in sentences).split())

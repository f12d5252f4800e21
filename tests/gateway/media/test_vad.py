from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.live.local.voices import SPEAKERS
from gateway.media.vad import FRAME_MS, SpeechStarted, SpeechStopped, VoiceActivity
from tests.support.speech import say

pytestmark = pytest.mark.unit

SENTENCE = "Hello there. What is the weather like in London today?"
SECOND = 32_000  # bytes at 16 kHz


def noise(dbfs: float, seconds: float, seed: int = 1) -> bytes:
    samples = np.random.default_rng(seed).normal(0, 32_768 * 10 ** (dbfs / 20), int(seconds * 16e3))
    return np.clip(samples, -32_768, 32_767).astype(np.int16).tobytes()


def tone(hz: float, seconds: float, amplitude: float = 8000.0, rate_hz: int = 16_000) -> bytes:
    at = np.arange(int(seconds * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * hz * at)).astype(np.int16).tobytes()


def mix(*tracks: bytes) -> bytes:
    length = max(map(len, tracks)) // 2
    total = np.zeros(length)
    for track in tracks:
        samples = np.frombuffer(track, np.int16)
        total[: samples.size] += samples
    return np.clip(total, -32_768, 32_767).astype(np.int16).tobytes()


def louder(pcm: bytes, db: float) -> bytes:
    return (np.frombuffer(pcm, np.int16) * 10 ** (db / 20)).astype(np.int16).tobytes()


def in_silence(speech: bytes, before_s: int = 1, after_s: int = 1) -> bytes:
    return bytes(before_s * SECOND) + speech + bytes(after_s * SECOND)


def events(pcm: bytes, voice: VoiceActivity | None = None, chunk: int = 640) -> list[object]:
    voice = voice or VoiceActivity()
    return [e for at in range(0, len(pcm), chunk) for e in voice.push(pcm[at : at + chunk])]


def spoken_ms(speech: bytes) -> float:
    return len(speech) / 32 - 200  # ``say`` ends with a pause


def assert_one_utterance(
    found: list[object], begin_ms: float, end_ms: float, slack_ms: int
) -> None:
    assert [type(event) for event in found] == [SpeechStarted, SpeechStopped], found
    start, stop = found
    assert isinstance(start, SpeechStarted)
    assert isinstance(stop, SpeechStopped)
    assert start.at_ms == pytest.approx(begin_ms, abs=slack_ms)
    assert stop.at_ms == pytest.approx(end_ms, abs=slack_ms)


def test_a_sentence_starts_and_stops_where_it_is_in_the_audio() -> None:
    speech = say(SENTENCE)
    found = events(in_silence(speech))
    assert_one_utterance(found, 1000, 1000 + spoken_ms(speech), 60)


@pytest.mark.parametrize("noise_dbfs", [-65, -55, -45, -35])
def test_a_sentence_is_found_in_the_noise_of_a_room(noise_dbfs: int) -> None:
    speech = say(SENTENCE)
    pcm = in_silence(speech)
    found = events(mix(pcm, noise(noise_dbfs, len(pcm) / SECOND)))
    assert_one_utterance(found, 1000, 1000 + spoken_ms(speech), 120)


def test_a_quiet_speaker_is_heard() -> None:
    speech = louder(say(SENTENCE), -20)
    pcm = in_silence(speech)
    found = events(mix(pcm, noise(-65, len(pcm) / SECOND)))
    assert_one_utterance(found, 1000, 1000 + spoken_ms(speech), 160)


def test_speech_from_the_first_sample_is_heard() -> None:
    speech = say(SENTENCE)
    assert_one_utterance(events(speech + bytes(SECOND)), 0, spoken_ms(speech), 80)


@pytest.mark.parametrize("voice", SPEAKERS)
def test_every_voice_counts_as_one(voice: str) -> None:
    speech = say("Good morning, how are you?", voice=voice)
    assert_one_utterance(events(in_silence(speech)), 1000, 1000 + spoken_ms(speech), 120)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 32_000, 48_000])
def test_every_rate_gives_the_same_times(rate_hz: int) -> None:
    speech = say(SENTENCE, rate_hz=rate_hz)
    pad = bytes(rate_hz * 2)
    found = events(pad + speech + pad, VoiceActivity(rate_hz), rate_hz // 50 * 2)
    assert_one_utterance(found, 1000, 1000 + len(speech) / rate_hz * 500 - 200, 80)


@pytest.mark.parametrize(
    "sound",
    [
        bytes(10 * SECOND),
        *(noise(dbfs, 10) for dbfs in (-60, -50, -40, -30, -20)),
        tone(440, 10),
        tone(1000, 10),
        mix(tone(50, 10, 3000), tone(150, 10, 1000)),
        b"".join(noise(-15, 0.01, seed) + bytes(16_000) for seed in range(15)),
        bytes(3 * SECOND) + noise(-55, 5),
    ],
    ids=[
        "silence",
        "-60",
        "-50",
        "-40",
        "-30",
        "-20",
        "440 Hz",
        "1 kHz",
        "hum",
        "clicks",
        "unmute",
    ],
)
@pytest.mark.parametrize("sensitivity", ["high", "low"])
def test_what_is_not_a_voice_is_not_reported(sound: bytes, sensitivity: str) -> None:
    assert sensitivity in ("high", "low")
    voice = VoiceActivity(start="high" if sensitivity == "high" else "low")
    assert events(sound, voice) == []


def test_a_sound_that_goes_on_without_a_gap_ends() -> None:
    hum = mix(*(tone(150 * k, 6, 3000 / k) for k in range(1, 12)))
    voice = VoiceActivity()
    events(bytes(SECOND) + hum, voice)
    assert not voice.speaking


def test_more_prefix_padding_needs_more_speech() -> None:
    pcm = in_silence(say("Stop"))
    assert len(events(pcm, VoiceActivity(prefix_padding_ms=40))) == 2
    assert events(pcm, VoiceActivity(prefix_padding_ms=2000)) == []


def test_no_prefix_padding_starts_with_the_first_voiced_frame() -> None:
    quick, slow = VoiceActivity(prefix_padding_ms=0), VoiceActivity(prefix_padding_ms=200)
    pcm = in_silence(say(SENTENCE))

    def noticed_ms(voice: VoiceActivity) -> int:
        return next(at // 32 for at in range(0, len(pcm), 640) if voice.push(pcm[at : at + 640]))

    assert 140 <= noticed_ms(slow) - noticed_ms(quick) <= 260


@pytest.mark.parametrize("silence_ms", [100, 500, 1500])
def test_an_end_comes_when_enough_silence_was_received(silence_ms: int) -> None:
    voice = VoiceActivity(silence_duration_ms=silence_ms)
    pcm = in_silence(say("Stop"), after_s=3)
    for at in range(0, len(pcm), 640):
        for event in voice.push(pcm[at : at + 640]):
            if isinstance(event, SpeechStopped):
                assert voice.position_ms - event.at_ms == silence_ms
                return
    pytest.fail("no end")


def test_a_pause_inside_a_sentence_does_not_end_it() -> None:
    half = say("One moment")
    pcm = bytes(SECOND) + half + half + bytes(SECOND)
    assert len(events(pcm, VoiceActivity(silence_duration_ms=500))) == 2
    assert len(events(pcm, VoiceActivity(silence_duration_ms=140))) >= 4


def test_low_sensitivity_misses_what_high_sensitivity_hears() -> None:
    pcm = in_silence(louder(say(SENTENCE), -32))
    assert events(pcm, VoiceActivity(start="high"))
    assert not events(pcm, VoiceActivity(start="low"))


def test_a_low_end_sensitivity_waits_longer_in_noise() -> None:
    faint = louder(say(SENTENCE), -26)
    pcm = bytes(SECOND) + say("Hello there") + faint + bytes(2 * SECOND)

    def stopped_ms(voice: VoiceActivity) -> int:
        return next(e.at_ms for e in events(pcm, voice) if isinstance(e, SpeechStopped))

    assert stopped_ms(VoiceActivity(end="low")) >= stopped_ms(VoiceActivity(end="high"))


def test_reset_ends_speech_at_its_last_voiced_frame_and_goes_on_counting() -> None:
    voice = VoiceActivity()
    speech = say(SENTENCE)
    events(bytes(SECOND) + speech[: 2 * SECOND], voice)
    assert voice.speaking
    (stopped,) = voice.reset()
    assert stopped.at_ms <= voice.position_ms == 3000
    assert not voice.speaking
    assert voice.reset() == []
    (again, _) = events(in_silence(speech), voice)
    assert isinstance(again, SpeechStarted)
    assert again.at_ms == pytest.approx(4000, abs=60)


@pytest.mark.parametrize("rate_hz", [0, 11_025, 24_000, 44_100])
def test_a_rate_the_detector_does_not_know_is_refused(rate_hz: int) -> None:
    with pytest.raises(ValueError, match=str(rate_hz)):
        VoiceActivity(rate_hz)


@given(st.lists(st.integers(0, 3000), max_size=60))
@settings(max_examples=30, deadline=None)
def test_the_size_of_the_chunks_makes_no_difference(sizes: list[int]) -> None:
    pcm = in_silence(say("Good evening"))
    voice = VoiceActivity()
    found: list[object] = []
    at = 0
    for size in sizes:
        found += voice.push(pcm[at : at + size])
        at += size
    found += voice.push(pcm[at:])
    assert found == events(pcm)
    assert voice.position_ms == len(pcm) // 640 * FRAME_MS


@given(st.binary(max_size=20_000), st.integers(1, 1500))
@settings(max_examples=50, deadline=None)
def test_any_bytes_give_alternating_events_in_order(pcm: bytes, chunk: int) -> None:
    voice = VoiceActivity(prefix_padding_ms=20, silence_duration_ms=40)
    found = events(pcm, voice, chunk)
    kinds = [isinstance(event, SpeechStarted) for event in found]
    assert kinds == [number % 2 == 0 for number in range(len(found))]
    times = [e.at_ms for e in found if isinstance(e, SpeechStarted | SpeechStopped)]
    assert times == sorted(times)
    assert all(0 <= at_ms <= voice.position_ms for at_ms in times)


def test_a_second_of_audio_costs_little_of_a_second() -> None:
    pcm = say(SENTENCE) * 10
    voice = VoiceActivity()
    begin = time.process_time()
    events(pcm, voice)
    assert time.process_time() - begin < 0.01 * len(pcm) / SECOND

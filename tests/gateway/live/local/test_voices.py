from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from gateway.live import catalog
from gateway.live.local.voices import (
    DEFAULT_LANGUAGE,
    DEFAULT_VOICE,
    LANGUAGES,
    SPEAKERS,
    espeak_language,
    speaker,
)
from tests.support.speech import say

Samples = np.ndarray[tuple[int], np.dtype[np.float64]]

# "Hello, how are you today? The weather is very nice." and how long it may take, in seconds.
GREETINGS = {
    "ar-EG": "مرحبا، كيف حالك اليوم؟ الطقس جميل جدا.",
    "bn-BD": "হ্যালো, আজ আপনি কেমন আছেন? আবহাওয়া খুব সুন্দর।",
    "nl-NL": "Hallo, hoe gaat het vandaag met u? Het weer is erg mooi.",
    "en-IN": "Hello, how are you today? The weather is very nice.",
    "en-US": "Hello, how are you today? The weather is very nice.",
    "fr-FR": "Bonjour, comment allez-vous aujourd'hui ? Il fait très beau.",
    "de-DE": "Hallo, wie geht es Ihnen heute? Das Wetter ist sehr schön.",
    "hi-IN": "नमस्ते, आज आप कैसे हैं? मौसम बहुत अच्छा है।",
    "id-ID": "Halo, apa kabar hari ini? Cuacanya sangat bagus.",
    "it-IT": "Ciao, come stai oggi? Il tempo è molto bello.",
    "ja-JP": "こんにちは、きょうはおげんきですか。てんきはとてもいいです。",
    "ko-KR": "안녕하세요, 오늘 어떻게 지내세요? 날씨가 아주 좋아요.",
    "mr-IN": "नमस्कार, आज तुम्ही कसे आहात? हवामान खूप छान आहे.",
    "pl-PL": "Cześć, jak się dzisiaj masz? Pogoda jest bardzo ładna.",
    "pt-BR": "Olá, como você está hoje? O tempo está muito bom.",
    "ro-RO": "Bună, ce mai faci astăzi? Vremea este foarte frumoasă.",
    "ru-RU": "Привет, как у тебя дела сегодня? Погода очень хорошая.",
    "es-US": "Hola, ¿cómo estás hoy? El tiempo es muy bueno.",
    "ta-IN": "வணக்கம், இன்று எப்படி இருக்கிறீர்கள்? வானிலை மிகவும் நன்றாக உள்ளது.",
    "te-IN": "నమస్కారం, ఈరోజు మీరు ఎలా ఉన్నారు? వాతావరణం చాలా బాగుంది.",
    "th-TH": "สวัสดีครับ วันนี้คุณเป็นอย่างไรบ้าง อากาศดีมาก",
    "tr-TR": "Merhaba, bugün nasılsın? Hava çok güzel.",
    "uk-UA": "Привіт, як у тебе справи сьогодні? Погода дуже гарна.",
    "vi-VN": "Xin chào, hôm nay bạn thế nào? Thời tiết rất đẹp.",
}
SHORTEST_S, LONGEST_S = 2.5, 6.5

RATE_HZ = 16_000


def samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, np.int16).astype(np.float64)


def pitch_hz(pcm: bytes) -> float:
    """The median pitch of the loud parts, by autocorrelation."""
    found = []
    sound = samples(pcm)
    for at in range(0, sound.size - 800, 400):
        frame = sound[at : at + 800]
        if np.sqrt((frame**2).mean()) < 2000:
            continue
        same = np.correlate(frame, frame, "full")[799:]
        lag = 40 + int(np.argmax(same[40:266]))  # 400 to 60 Hz
        if same[lag] > 0.4 * same[0]:
            found.append(RATE_HZ / lag)
    return float(np.median(found))


def timbre(pcm: bytes) -> Samples:
    """Level in dB of the average spectrum in 24 bands, its mean taken away."""
    sound = samples(pcm)
    frames = sound[: sound.size // 512 * 512].reshape(-1, 512) * np.hanning(512)
    power = (np.abs(np.fft.rfft(frames)) ** 2).mean(axis=0)
    bands = np.geomspace(3, power.size - 1, 25).astype(int)
    levels = [10 * np.log10(power[a : max(b, a + 1)].mean()) for a, b in pairwise(bands)]
    return np.array(levels) - np.mean(levels)


@pytest.mark.unit
def test_the_voices_and_languages_are_those_of_the_catalogue() -> None:
    assert set(SPEAKERS) == {voice.name for voice in catalog.load().voices}
    assert set(LANGUAGES) == {language.code for language in catalog.load().languages}
    assert DEFAULT_VOICE in SPEAKERS
    assert DEFAULT_LANGUAGE in LANGUAGES


@pytest.mark.unit
def test_there_are_thirty_speakers_fourteen_of_them_women() -> None:
    assert len(set(SPEAKERS.values())) == len(SPEAKERS) == 30
    assert sum(who.sex == "female" for who in SPEAKERS.values()) == 14


@pytest.mark.unit
def test_an_unknown_voice_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="Nobody"):
        speaker("Nobody")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("language", "espeak"),
    [
        ("de-DE", "de"),
        ("de-AT", "de"),
        ("DE", "de"),
        ("en-GB", "en-us"),
        ("pt-PT", "pt-br"),
        ("xx-XX", "en-us"),
        ("", "en-us"),
    ],
)
def test_a_language_that_is_not_on_the_list_gets_its_nearest(language: str, espeak: str) -> None:
    assert espeak_language(language) == espeak


@pytest.mark.integration
@pytest.mark.parametrize("voice", SPEAKERS)
def test_men_are_deeper_than_women(voice: str) -> None:
    pitch = pitch_hz(say("Good morning, how are you doing today?", voice=voice))
    assert (pitch > 150) == (SPEAKERS[voice].sex == "female"), pitch


@pytest.mark.integration
def test_no_two_voices_sound_the_same() -> None:
    said = {voice: say("Good morning, how are you doing today?", voice=voice) for voice in SPEAKERS}
    assert len(set(said.values())) == 30
    heard = {voice: (pitch_hz(pcm), timbre(pcm), len(pcm)) for voice, pcm in said.items()}
    for one, other in combinations(heard, 2):
        (pitch_1, timbre_1, length_1), (pitch_2, timbre_2, length_2) = heard[one], heard[other]
        distance = np.hypot(
            np.sqrt(((timbre_1 - timbre_2) ** 2).mean()),  # dB
            4 * 12 * np.log2(pitch_1 / pitch_2) / 2,  # two semitones count as four dB
        )
        distance = np.hypot(distance, 50 * np.log(length_1 / length_2))
        assert distance > 2.0, f"{one} and {other}: {distance:.1f}"


@pytest.mark.integration
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_spoken_at_a_natural_length_and_level(language: str) -> None:
    pcm = say(GREETINGS[language], language=language, voice="Kore")
    assert SHORTEST_S < len(pcm) / 2 / RATE_HZ < LONGEST_S
    sound = samples(pcm)
    level_dbfs = 10 * np.log10((sound**2).mean() / 32_768**2)
    assert -26 < level_dbfs < -16
    assert np.abs(sound).max() < 32_767
    assert not np.any(sound[-RATE_HZ // 5 :])


@pytest.mark.integration
@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en-US"}))
def test_every_language_reads_in_its_own_way(language: str) -> None:
    assert say(GREETINGS[language], language=language) != say(GREETINGS[language])

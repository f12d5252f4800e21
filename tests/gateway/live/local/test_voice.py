from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from gateway.live.local import voice as voice_module
from gateway.live.local.espeak import RATE_HZ as ESPEAK_HZ
from gateway.live.local.voice import PAUSE_MS, RATE_HZ, Voice, finish
from tests.support.leaks import nothing_left

pytestmark = pytest.mark.integration

SECRET = "The password is swordfish."


@pytest.fixture
async def voice() -> AsyncIterator[Voice]:
    voice = Voice()
    await voice.start()
    yield voice
    await voice.aclose()


def level_dbfs(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, np.int16).astype(float)
    return float(10 * np.log10((samples**2).mean() / 32_768**2))


def children() -> list[str]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            found += (task / "children").read_text().split()
    return found


async def test_a_sentence_becomes_24_khz_speech_with_a_pause_behind_it(voice: Voice) -> None:
    pcm = await voice.speak("Hello there, how are you today?", voice="Kore", language="en-US")
    assert 1.4 < len(pcm) / 2 / RATE_HZ < 3.2
    assert -26 < level_dbfs(pcm) < -16
    pause = RATE_HZ * PAUSE_MS // 1000 * 2
    assert not any(pcm[-pause:])
    assert any(pcm[: RATE_HZ // 20 * 2])


async def test_the_same_request_gives_the_same_bytes_whatever_was_said_before(
    voice: Voice,
) -> None:
    other = Voice()
    try:
        await other.speak("Etwas ganz anderes.", voice="Aoede", language="de-DE")
        assert await other.speak("Hello", voice="Puck") == await voice.speak("Hello", voice="Puck")
        assert await voice.speak("Hello", voice="Kore") != await voice.speak("Hello", voice="Puck")
    finally:
        await other.aclose()


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
async def test_nothing_to_say_is_no_sound(voice: Voice, text: str) -> None:
    assert await voice.speak(text) == b""


async def test_of_a_book_only_the_beginning_is_said(voice: Voice) -> None:
    pcm = await voice.speak("word " * 20_000)
    assert 30 < len(pcm) / 2 / RATE_HZ < 120
    assert pcm == await voice.speak("word " * 200)


async def test_a_name_that_is_no_voice_is_refused(voice: Voice) -> None:
    with pytest.raises(ValueError, match="Nobody"):
        await voice.speak("Hello", voice="Nobody")


async def test_a_repeated_sentence_starts_no_process(
    voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await voice.speak("Hello there")
    monkeypatch.setattr(voice_module.subprocess, "Popen", None)
    assert await voice.speak("Hello there") is first


async def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    voice = Voice(cache_bytes=200_000)
    try:
        one = await voice.speak("This is the first sentence.")
        await voice.speak("This is the second sentence.")
        assert await voice.speak("This is the first sentence.") is one
        await voice.speak("This is the third sentence.")
        again = await voice.speak("This is the first sentence.")
        assert again is one
        for number in range(5):
            await voice.speak(f"This is sentence number {number}.")
        again = await voice.speak("This is the first sentence.")
        assert again == one
        assert again is not one
    finally:
        await voice.aclose()


async def test_no_more_processes_than_allowed_live_at_once() -> None:
    most = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, len(children()))

    voice = Voice(processes=2)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        texts = [f"This is sentence number {number}." for number in range(8)]
        sounds = await asyncio.gather(*(voice.speak(text) for text in texts))
        assert len(set(sounds)) == 8
    finally:
        done.set()
        watcher.join()
        await voice.aclose()
    assert most == 2


async def test_closing_kills_what_is_being_said() -> None:
    async with nothing_left():
        voice = Voice()
        sentences = [f"This is sentence number {number}. " * 20 for number in range(6)]
        speaking = [asyncio.create_task(voice.speak(text)) for text in sentences]
        while not children():
            await asyncio.sleep(0)
        await voice.aclose()
        assert children() == []
        said = await asyncio.gather(*speaking, return_exceptions=True)
        assert isinstance(said[-1], RuntimeError)
        with pytest.raises(RuntimeError):
            await voice.speak("Hello")


async def test_a_sentence_nobody_waits_for_any_more_disturbs_nothing(voice: Voice) -> None:
    waiting = asyncio.create_task(voice.speak("A sentence that is given up."))
    await asyncio.sleep(0)
    waiting.cancel()
    assert len(await voice.speak("Hello there")) > RATE_HZ


def assert_tones_and_one_warning(sounds: list[bytes], caplog: pytest.LogCaptureFixture) -> None:
    assert len(sounds[0]) < len(sounds[1])
    assert all(-30 < level_dbfs(sound) < -14 for sound in sounds)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "swordfish" not in caplog.text


async def test_without_espeak_it_speaks_in_tones_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(voice_module, "_espeak_paths", lambda: None)
    voice = Voice()
    try:
        await voice.start()
        sounds = [await voice.speak(SECRET), await voice.speak(SECRET * 3)]
        assert await voice.speak(SECRET) == sounds[0]
    finally:
        await voice.aclose()
    assert_tones_and_one_warning(sounds, caplog)


async def test_a_broken_espeak_is_as_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(voice_module, "_espeak_paths", lambda: ("no/such.so", "no/data"))
    voice = Voice()
    try:
        sounds = [await voice.speak(SECRET), await voice.speak(SECRET * 3)]
    finally:
        await voice.aclose()
    assert_tones_and_one_warning(sounds, caplog)


async def test_an_espeak_that_hangs_is_killed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    forever = [sys.executable, "-c", "import signal; signal.pause()"]
    monkeypatch.setattr(voice_module, "espeak_command", lambda *_: forever)
    voice = Voice(timeout_s=0.2)
    try:
        sounds = [await voice.speak(SECRET), await voice.speak(SECRET * 3)]
    finally:
        await voice.aclose()
    assert children() == []
    assert_tones_and_one_warning(sounds, caplog)


def test_sound_is_brought_to_one_level_without_clipping() -> None:
    at = np.arange(ESPEAK_HZ) / ESPEAK_HZ
    for amplitude in (300, 3000, 30_000):
        tone = (amplitude * np.sin(2 * np.pi * 500 * at)).astype(np.int16).tobytes()
        assert level_dbfs(finish(tone)[: RATE_HZ * 2]) == pytest.approx(-20, abs=0.3)
    click = np.zeros(ESPEAK_HZ, np.int16)
    click[::100] = 30_000
    loudest = np.abs(np.frombuffer(finish(click.tobytes()), np.int16).astype(int)).max()
    assert loudest < 32_000


def test_silence_stays_silent_and_nothing_stays_nothing() -> None:
    assert finish(b"") == b""
    assert not any(finish(bytes(ESPEAK_HZ)))


@pytest.mark.parametrize("out_hz", [8_000, 16_000, 24_000, 48_000])
def test_sound_keeps_its_length_at_any_rate(out_hz: int) -> None:
    pcm = np.full(ESPEAK_HZ, 1000, np.int16).tobytes()
    assert len(finish(pcm, out_hz=out_hz)) / 2 / out_hz == pytest.approx(1.2, abs=0.001)


def test_the_process_is_given_no_text_on_its_command_line() -> None:
    made = voice_module.espeak_command(voice_module.speaker("Puck"), "en-us")
    assert made is not None
    done = subprocess.run(made, input=SECRET.encode(), capture_output=True, check=True, timeout=30)
    assert done.stdout
    assert "swordfish" not in " ".join(made)

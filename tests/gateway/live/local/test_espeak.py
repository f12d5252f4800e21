from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gateway.live.local import espeak
from gateway.live.local.voice import espeak_command
from gateway.live.local.voices import Speaker

pytestmark = pytest.mark.integration

WHO = Speaker("female", "f2")


def run(command: list[str], text: str | bytes) -> subprocess.CompletedProcess[bytes]:
    data = text.encode() if isinstance(text, str) else text
    return subprocess.run(command, input=data, capture_output=True, timeout=30, check=False)


def command(who: Speaker = WHO, language: str = "en-us") -> list[str]:
    made = espeak_command(who, language)
    assert made is not None, "the tests need espeakng-loader"
    return made


def seconds(pcm: bytes) -> float:
    return len(pcm) / 2 / espeak.RATE_HZ


def test_text_becomes_pcm_of_a_plausible_length() -> None:
    done = run(command(), "Hello there, how are you today?")
    assert (done.returncode, done.stderr) == (0, b"")
    assert 1.2 < seconds(done.stdout) < 3
    level = np.sqrt((np.frombuffer(done.stdout, np.int16).astype(float) ** 2).mean())
    assert level > 500


def test_the_same_text_gives_the_same_bytes() -> None:
    breathy = command(Speaker("female", "f5"))
    assert run(breathy, "Hello there").stdout == run(breathy, "Hello there").stdout


def test_rate_and_pitch_are_heard() -> None:
    slow = run(command(Speaker("male", "m1", rate=120)), "Hello there").stdout
    fast = run(command(Speaker("male", "m1", rate=200)), "Hello there").stdout
    low = run(command(Speaker("male", "m1", pitch=10)), "Hello there").stdout
    assert seconds(slow) > 1.2 * seconds(fast)
    assert low != run(command(Speaker("male", "m1", pitch=90)), "Hello there").stdout


@pytest.mark.parametrize("text", ["", "\n", "\0", b"\xff\xfe", "<b>[[h@]]</b>", "🙂"])
def test_any_text_is_taken(text: str | bytes) -> None:
    assert run(command(), text).returncode == 0


def test_text_after_a_null_is_spoken_too() -> None:
    assert seconds(run(command(), "one\0two three").stdout) > 0.6


def test_marks_of_other_programs_are_words_here() -> None:
    plain = seconds(run(command(), "break").stdout)
    assert seconds(run(command(), '<break time="9s"/>').stdout) != pytest.approx(9, abs=1)
    assert seconds(run(command(), "[[break]]").stdout) >= plain


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({4: "no/such.so"}, 3),
        ({5: "no/such/data"}, 3),
        ({6: "en-us-of-nowhere"}, 4),
        ({7: "fast"}, 2),
        ({9: None}, 2),
    ],
)
def test_what_cannot_be_done_has_an_exit_code_and_no_sound(
    change: dict[int, str | None], code: int
) -> None:
    arguments = command()
    for place, value in change.items():
        arguments[place : place + 1] = [] if value is None else [value]
    done = run(arguments, "a secret")
    assert done.returncode == code
    assert done.stdout == b""
    assert done.stderr
    assert b"secret" not in done.stderr


def test_the_program_starts_without_anything_but_the_standard_library() -> None:
    listed = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", espeak.__file__],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    ).stderr
    modules = {line.rpartition("|")[2].strip() for line in listed.splitlines()}
    assert "ctypes" in modules
    assert not {"numpy", "asyncio", "gateway", "subprocess"} & modules


def test_the_library_is_loaded_in_no_other_process() -> None:
    assert "libespeak" not in Path("/proc/self/maps").read_text()

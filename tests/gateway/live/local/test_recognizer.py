from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.live.local import recognizer as recognizer_module
from gateway.live.local.ears import Ears, UtteranceEnded
from gateway.live.local.phrases import PHRASES, SLOTS, Heard, sentences
from gateway.live.local.recognizer import Recognizer
from gateway.live.local.voices import espeak_language
from tests.support.leaks import nothing_left
from tests.support.speech import say, through_opus

pytestmark = pytest.mark.integration

NOTHING = Heard(None, None, "")
OTHERS = Path(__file__).parents[3] / "data" / "speech" / "other.tsv"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recognizer() -> AsyncIterator[Recognizer]:
    recognizer = Recognizer()
    await recognizer.start()
    yield recognizer
    await recognizer.aclose()


def processes() -> set[int]:
    """The children of this process, whichever thread started them."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            found |= {int(child) for child in (task / "children").read_text().split()}
    return found


@pytest.fixture
def workers() -> Callable[[], set[int]]:
    """The processes started since the test began."""
    before = processes()
    return lambda: processes() - before


def utterance(pcm: bytes) -> bytes:
    """What the ears make of ``pcm`` in a call."""
    ears = Ears()
    stream = bytes(16_000) + pcm + bytes(48_000)
    ended = [event for event in ears.push(stream) if isinstance(event, UtteranceEnded)]
    assert len(ended) == 1
    return ended[0].pcm


def one_of_each() -> list[Heard]:
    """Each phrase in up to four ways."""
    known = list(sentences().values())
    chosen = []
    for phrase in PHRASES:
        own = [one for one in known if one.phrase == phrase.id]
        chosen += own[:: max(len(own) // 4, 1)][:4]
    return chosen


@pytest.mark.asyncio(loop_scope="module")
async def test_nearly_all_phrases_are_understood_after_a_call(recognizer: Recognizer) -> None:
    voices = ["Puck", "Kore", "Charon", "Aoede", "Sadachbia", "Achernar"]
    wanted = one_of_each()
    right = 0
    for number, one in enumerate(wanted):
        clean = say(one.text, voice=voices[number % len(voices)])
        heard = await recognizer.recognize(utterance(through_opus(clean, 16_000)))
        right += (heard.phrase, heard.slot) == (one.phrase, one.slot)
    assert len(wanted) > 50
    assert right >= 0.95 * len(wanted), f"{right} of {len(wanted)}"


async def share_taken(recognizer: Recognizer, said: list[list[str]]) -> float:
    """How much of ``said``, (language, text, …), is taken for a phrase."""
    voices = ["Puck", "Kore", "Charon", "Aoede"]
    taken = []
    for number, (language, text, *_) in enumerate(said):
        assert espeak_language(language)
        pcm = utterance(say(text, voice=voices[number % len(voices)], language=language))
        heard = await recognizer.recognize(pcm)
        if heard.phrase is not None:
            taken.append(f"{text} -> {heard.text}")
    print(f"{len(taken)} of {len(said)} taken for a phrase: {taken}")
    return len(taken) / len(said)


def other_speech(*, near: bool) -> list[list[str]]:
    lines = OTHERS.read_text(encoding="utf-8").splitlines()
    said = [line.split("\t") for line in lines if line and line[0] != "#"]
    return [fields for fields in said if ("near" in fields[2:]) == near]


@pytest.mark.asyncio(loop_scope="module")
async def test_hardly_any_other_sentence_is_taken_for_a_phrase(recognizer: Recognizer) -> None:
    said = other_speech(near=False)[::3]
    assert len(said) > 60
    assert await share_taken(recognizer, said) <= 0.05


@pytest.mark.asyncio(loop_scope="module")
async def test_most_words_that_sound_like_a_phrase_are_told_apart(recognizer: Recognizer) -> None:
    said = other_speech(near=True)
    assert len(said) > 25
    assert await share_taken(recognizer, said) <= 0.5


@pytest.mark.asyncio(loop_scope="module")
async def test_the_slot_and_the_transcript_are_as_the_list_writes_them(
    recognizer: Recognizer,
) -> None:
    heard = await recognizer.recognize(utterance(say("what is the weather in new york")))
    assert heard == Heard("weather", "New York", "What is the weather in New York?")
    assert heard.slot in SLOTS["city"]
    heard = await recognizer.recognize(utterance(say("please tell me a joke")))
    assert heard == Heard("joke", None, "Tell me a joke")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("pcm", [b"", bytes(1), bytes(64_000), bytes(32_000 * 40)])
async def test_silence_of_any_length_is_nothing(recognizer: Recognizer, pcm: bytes) -> None:
    assert await recognizer.recognize(pcm) == NOTHING


@pytest.mark.asyncio(loop_scope="module")
async def test_many_utterances_at_once_get_each_its_own_answer(recognizer: Recognizer) -> None:
    wanted = [sentences()[f"remember the word {word}"] for word in ("apple", "guitar", "banana")]
    pcms = [utterance(say(one.text, voice="Kore")) for one in wanted]
    assert await asyncio.gather(*(recognizer.recognize(pcm) for pcm in pcms * 2)) == wanted * 2


@pytest.mark.asyncio(loop_scope="module")
async def test_the_event_loop_goes_on_while_it_listens(recognizer: Recognizer) -> None:
    pcm = utterance(say("Repeat after me: the quick brown fox jumps over the lazy dog"))
    loop = asyncio.get_running_loop()
    listening = asyncio.create_task(recognizer.recognize(pcm))
    longest = 0.0
    while not listening.done():
        begin = loop.time()
        await asyncio.sleep(0.001)
        longest = max(longest, loop.time() - begin)
    assert longest < 0.1


async def test_start_and_close_leave_nothing_behind(workers: Callable[[], set[int]]) -> None:
    async with nothing_left():
        recognizer = Recognizer(processes=2)
        await recognizer.start()
        assert len(workers()) == 1
        await recognizer.aclose()
        assert workers() == set()
        with pytest.raises(RuntimeError):
            await recognizer.recognize(bytes(640))


async def test_it_can_be_closed_without_having_been_started() -> None:
    async with nothing_left():
        await Recognizer().aclose()


async def test_closing_in_the_middle_of_an_utterance_ends_it(
    workers: Callable[[], set[int]],
) -> None:
    async with nothing_left():
        recognizer = Recognizer()
        await recognizer.start()
        pcm = utterance(say("Repeat after me: every journey begins with a single step"))
        listening = [asyncio.create_task(recognizer.recognize(pcm)) for _ in range(4)]
        await asyncio.sleep(0)
        await recognizer.aclose()
        assert workers() == set()
        heard = await asyncio.gather(*listening, return_exceptions=True)
        assert heard[-1] == NOTHING


async def test_workers_are_started_when_needed_and_no_more_than_allowed(
    workers: Callable[[], set[int]],
) -> None:
    recognizer = Recognizer(processes=2)
    try:
        pcm = utterance(say("Tell me a joke", voice="Kore"))
        heard = await asyncio.gather(*(recognizer.recognize(pcm) for _ in range(6)))
        assert {one.phrase for one in heard} == {"joke"}
        assert 1 <= len(workers()) <= 2
    finally:
        await recognizer.aclose()


async def test_a_worker_that_died_is_replaced(workers: Callable[[], set[int]]) -> None:
    recognizer = Recognizer()
    try:
        await recognizer.start()
        (first,) = workers()
        os.kill(first, signal.SIGKILL)
        heard = await recognizer.recognize(utterance(say("Tell me a joke", voice="Kore")))
        assert heard.phrase == "joke"
        (second,) = workers()
        assert second != first
    finally:
        await recognizer.aclose()


async def test_an_utterance_that_kills_every_worker_is_given_up(
    caplog: pytest.LogCaptureFixture, workers: Callable[[], set[int]]
) -> None:
    recognizer = Recognizer(timeout_s=0.0)
    try:
        assert await recognizer.recognize(utterance(say("Tell me a joke"))) == NOTHING
    finally:
        await recognizer.aclose()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "joke" not in record.getMessage().lower()
    assert workers() == set()


async def test_without_pocketsphinx_nothing_is_understood_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    workers: Callable[[], set[int]],
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        recognizer_module.importlib.util,
        "find_spec",
        lambda name: None if name == "pocketsphinx" else real(name),
    )
    recognizer = Recognizer()
    try:
        await recognizer.start()
        assert await recognizer.recognize(utterance(say("Tell me a joke"))) == NOTHING
    finally:
        await recognizer.aclose()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert workers() == set()


async def test_a_broken_pocketsphinx_is_as_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    broken = tmp_path / "sphinx.py"
    broken.write_text("raise SystemExit(1)")
    monkeypatch.setattr(recognizer_module.sphinx, "__file__", str(broken))
    recognizer = Recognizer()
    try:
        await recognizer.start()
        assert await recognizer.recognize(bytes(640)) == NOTHING
    finally:
        await recognizer.aclose()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_worker_ends_by_itself_when_its_owner_is_gone() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        recognizer_module.sphinx.__file__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(b'[2, 0, 1, [[0, 1, "hello"]]]\n')
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.stdin.close()
    async with asyncio.timeout(10):
        assert await process.wait() == 0

"""The examples as their docstrings say to run them."""

from __future__ import annotations

import asyncio
import sys
import wave
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import numpy as np
import pytest

from gateway.live.local import Closing, Rule, Script
from tests.support.audio import level_dbfs
from tests.support.speech import say, write_wav
from tests.support.stack import running_stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

CALL = Path(__file__).parents[1] / "examples" / "call.py"


async def start(*arguments: str) -> tuple[str, int | None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CALL), *arguments, stdout=PIPE, stderr=STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return said.decode(), process.returncode


async def run(*arguments: str) -> str:
    said, status = await start(*arguments)
    assert status == 0, said
    return said


async def complaint(*arguments: str) -> str:
    """The one line of a call that cannot be made."""
    said, status = await start(*arguments)
    assert status == 1, said
    assert said.endswith("\n") and len(said.splitlines()) == 1, said
    return said


async def test_a_program_speaks_a_wav_file_and_keeps_the_reply(tmp_path: Path) -> None:
    question, reply = tmp_path / "question.wav", tmp_path / "reply.wav"
    pcm = bytes(16000) + say("What time is it?") + bytes(16000)
    write_wav(question, pcm, 16000)
    async with running_stack() as stack:
        said = await run(stack.url, str(question), "--reply", str(reply))
    assert "user: What time is it?" in said
    assert "model: It is" in said
    assert said.endswith("\n")
    with wave.open(str(reply)) as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert level_dbfs(heard.astype(float)) > -45


@pytest.mark.parametrize("rest_s", [0, 8], ids=["at once", "after a silence"])
async def test_a_call_whose_speech_was_not_understood_ends_too(tmp_path: Path, rest_s: int) -> None:
    question = tmp_path / "question.wav"
    pcm = bytes(16000) + say("Colourless green ideas sleep furiously") + bytes(32000 * rest_s)
    write_wav(question, pcm, 16000)
    script = Script(rules=(Rule(say="Pardon?"),), recognize=False)
    async with running_stack(script=script) as stack:
        said = await run(stack.url, str(question))
    assert said == "model: Pardon?\n"


async def test_a_call_that_is_never_answered_ends_at_its_timeout() -> None:
    async with running_stack(script=Script(rules=(Rule(delay_ms=60_000),))) as stack:
        said, status = await start(stack.url, "--text", "Hi", "--timeout", "2")
    assert (said, status) == ("user: Hi\nno reply within 2 s\n", 1)


async def test_a_program_types(tmp_path: Path) -> None:
    async with running_stack() as stack:
        said = await run(f"{stack.url}/", "--text", "Say: practice makes perfect.")
    assert "practice makes perfect" in said.lower()


async def test_a_call_that_cannot_be_made_says_why_in_one_line(tmp_path: Path) -> None:
    missing, folder = str(tmp_path / "missing.wav"), str(tmp_path / "no" / "reply.wav")
    (tmp_path / "text.wav").write_text("no sound")
    nobody = "http://127.0.0.1:1"
    assert "missing.wav: No such file" in await complaint(nobody, missing)
    assert "cannot read" in await complaint(nobody, str(tmp_path / "text.wav"))
    assert "cannot write" in await complaint(nobody, "--text", "Hi", "--reply", folder)
    assert "is the gateway running?" in await complaint(nobody, "--text", "Hi")
    assert "not an address" in await complaint("nowhere", "--text", "Hi")


async def test_a_refused_call_gives_the_reason_of_the_gateway() -> None:
    refuse = Closing(1007, "API key not valid.")
    async with running_stack(script=Script(refuse=refuse)) as stack:
        said, status = await start(stack.url, "--text", "Hi")
    assert status == 1
    assert "API key" in said and "Traceback" not in said

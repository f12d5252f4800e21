"""The examples as their docstrings say to run them."""

from __future__ import annotations

import asyncio
import sys
import wave
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import numpy as np
import pytest

from tests.support.audio import level_dbfs
from tests.support.speech import say, write_wav
from tests.support.stack import running_stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

CALL = Path(__file__).parents[1] / "examples" / "call.py"


async def run(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CALL), *arguments, stdout=PIPE, stderr=STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_a_program_speaks_a_wav_file_and_keeps_the_reply(tmp_path: Path) -> None:
    question, reply = tmp_path / "question.wav", tmp_path / "reply.wav"
    pcm = bytes(16000) + say("What time is it?") + bytes(16000 * 2 * 20)
    write_wav(question, pcm, 16000)
    async with running_stack() as stack:
        said = await run(stack.url, str(question), "--reply", str(reply))
    assert "user: What time is it?" in said
    assert "model: It is" in said
    with wave.open(str(reply)) as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert level_dbfs(heard.astype(float)) > -45


async def test_a_program_types(tmp_path: Path) -> None:
    async with running_stack() as stack:
        said = await run(stack.url, "--text", "Say: practice makes perfect.")
    assert "practice makes perfect" in said.lower()

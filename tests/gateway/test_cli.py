"""The command as a person runs it: started, used, stopped, and told nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.live import Endpoint, LiveSetup, NoCredentials, connect
from tests.support.client import AiortcClient

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

ROOT = Path(__file__).parents[2]
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("GOOGLE_", "GEMINI_", "LIVEGATE_"))
}


@contextlib.asynccontextmanager
async def running(*arguments: str, **environ: str) -> AsyncIterator[tuple[Process, str]]:
    """The command, and the address it says it listens on; it must stop by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, cwd=ROOT, env=CLEAN | environ, stderr=PIPE
    )
    assert process.stderr is not None
    said = ""
    try:
        async with asyncio.timeout(30):
            while not (found := re.search(r"(?:http|ws)s?://\S+", said)):
                line = await process.stderr.readline()
                assert line, f"the command ended: {said}"
                said += line.decode()
        yield process, found.group()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.communicate(), 15)
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0


def refused(*arguments: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=ROOT,
        env=CLEAN | environ,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


async def test_serve_answers_a_call_and_stops_when_told() -> None:
    async with running("serve", "--port", "0", "--greeting", "Say: Welcome.") as (process, url):
        async with aiohttp.ClientSession() as http, http.get(f"{url}/v1/models") as response:
            models = await response.json()
        assert models["live"] == "local"
        assert "What time is it?" in models["phrases"]
        async with AiortcClient(url) as client:
            await client.call()
            await client.wait_for("turn.started", turn=1)
            process.send_signal(signal.SIGTERM)
            event = await client.wait_for("call.ended")
            assert event["reason"] == "shutdown"
        assert await asyncio.wait_for(process.wait(), 15) == 0


async def test_live_serves_the_wire_by_itself() -> None:
    async with running("live", "--port", "0", "--switch", "frame_type=text") as (_, url):
        setup = LiveSetup(model="gemini-3.8-live")
        session = await connect(Endpoint(base_url=url), NoCredentials(), setup)
        await session.send_text("hello")
        async for event in session:
            if type(event).__name__ == "AudioChunk":
                break
        await session.aclose()


async def test_serve_takes_a_live_server_by_its_address() -> None:
    async with running("live", "--port", "0") as (_, live_url):
        async with running("serve", "--port", "0", LIVEGATE_LIVE_URL=live_url) as (_, url):
            async with AiortcClient(url) as client:
                await client.call()
                await client.wait_for("turn.completed", turn=1)


def test_a_port_that_is_taken_is_named_with_the_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"port {port}" in refused("serve", "--port", port)
        assert port in refused("live", "--port", port)


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        (["--port", "many"], {}, "--port must be a whole number"),
        ([], {"LIVEGATE_IDLE_S": "-1"}, "LIVEGATE_IDLE_S must be a number of seconds"),
        (["--host", "0.0.0.0"], {}, "add --open"),
        (["--host", "203.0.113.7"], {"LIVEGATE_OPEN": "1"}, "no credentials"),
        (["--host", "203.0.113.7", "--open", "--live-url", "local"], {}, "LIVEGATE_HOST="),
        (["--voice", "Nobody"], {}, "LIVEGATE_VOICE"),
        (["--language", "tlh"], {}, "LIVEGATE_LANGUAGE"),
        (["--model", "gemini-2.0-flash-live-001"], {}, "retired"),
        (["--tls-cert", "missing.pem"], {}, "--tls-cert must be a file"),
        (["--live-url", "https://example.com"], {}, "--live-url must be local, ws"),
        ([], {"GOOGLE_GENAI_USE_VERTEXAI": "1"}, "GOOGLE_CLOUD_PROJECT"),
    ],
)
def test_an_impossible_setting_is_named(
    arguments: list[str], environ: dict[str, str], words: str
) -> None:
    assert words in refused("serve", *arguments, **environ)


def test_an_impossible_switch_is_named() -> None:
    assert "frame_type" in refused("live", "--switch", "frame_type=paper")


def test_the_switches_are_listed() -> None:
    command = [sys.executable, "-m", "gateway", "live", "--switch", "help"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "frame_type=binary" in listed.stdout

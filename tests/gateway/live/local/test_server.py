from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import socket
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.live.client import connect as dial
from gateway.live.credentials import NoCredentials
from gateway.live.endpoint import Endpoint
from gateway.live.local import Call, Closing, LocalLiveServer, Rule, Script, Switches
from gateway.live.local.phrases import SLOTS, Heard
from gateway.live.local.tls import self_signed
from gateway.live.messages import AudioChunk as Chunk
from gateway.live.messages import GoAway, Interrupted, RealtimeText, Transcription, TurnComplete
from gateway.live.setup import LiveSetup
from tests.gateway.live.local.virtual import MODELS
from tests.support.leaks import nothing_left

pytestmark = pytest.mark.integration

DEV = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
WORD = SLOTS["word"][0]
QUIET = Script.tones(200)
SETUP = {"model": MODELS["dev"], "outputAudioTranscription": {}, "inputAudioTranscription": {}}


@contextlib.asynccontextmanager
async def serving(
    *args: Any, kind: type[LocalLiveServer] = LocalLiveServer, **options: Any
) -> AsyncIterator[LocalLiveServer]:
    """A server that leaves nothing behind."""
    async with nothing_left(), kind(*args, **options) as server:
        yield server


class Client:
    """A bare WebSocket that speaks JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Any:
        async with asyncio.timeout(10):
            return json.loads(await self.socket.recv())

    async def turn(self) -> list[Any]:
        """Everything up to and with ``turnComplete``."""
        heard: list[Any] = []
        while not heard or not heard[-1].get("serverContent", {}).get("turnComplete"):
            heard.append(await self.hear())
        return heard

    async def closed(self) -> tuple[int, str]:
        """Code and reason of the close that comes next."""
        with pytest.raises(ConnectionClosed):
            while True:
                await self.hear()
        return self.socket.close_code or 0, self.socket.close_reason or ""


@contextlib.asynccontextmanager
async def visiting(
    server: LocalLiveServer, path: str = DEV, *, setup: Any = SETUP, **options: Any
) -> AsyncIterator[Client]:
    async with connect(server.url + path, **options) as websocket:
        client = Client(websocket)
        if setup is not None:
            await client.say(setup=setup)
            assert "setupComplete" in await client.hear()
        yield client


def sound(messages: list[Any]) -> bytes:
    parts = (
        part["inlineData"]["data"]
        for message in messages
        for part in message.get("serverContent", {}).get("modelTurn", {}).get("parts", [])
    )
    return b"".join(map(base64.b64decode, parts))


def words(messages: list[Any]) -> str:
    return "".join(
        message.get("serverContent", {}).get("outputTranscription", {}).get("text", "")
        for message in messages
    )


# -- the door ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [DEV, VERTEX, "/" + DEV, DEV + "Constrained?access_token=x"])
async def test_every_door_opens(path: str) -> None:
    setup = {"model": MODELS["vertex" if "aiplatform" in path else "dev"]}
    async with (
        LocalLiveServer(script=QUIET) as server,
        visiting(server, path, setup=setup) as client,
    ):
        await client.say(realtimeInput={"text": "go"})
        assert len(sound(await client.turn())) == 200 * 48
        service = "vertex" if "aiplatform" in path else "dev"
        assert server.sessions[-1].place.service == service


@pytest.mark.parametrize("path", ["/", "/ws/other", DEV + "/x"])
async def test_another_path_is_404(path: str) -> None:
    async with serving(script=QUIET) as server:
        with pytest.raises(InvalidStatus) as caught:
            await connect(server.url + path)
        assert caught.value.response.status_code == 404


async def test_tls_with_a_certificate_of_its_own() -> None:
    certificate = self_signed()
    async with serving(script=QUIET, tls=certificate.server_context()) as server:
        assert server.url.startswith("wss://127.0.0.1:")
        async with visiting(server, ssl=certificate.client_context()) as client:
            await client.say(realtimeInput={"text": "go"})
            assert sound(await client.turn())
        other = self_signed(["localhost"]).client_context()
        with pytest.raises(OSError, match="certificate"):
            await connect(server.url + DEV, ssl=other)


async def test_ipv6_has_brackets() -> None:
    async with serving("::1", script=QUIET) as server:
        assert server.url.startswith("ws://[::1]:")
        async with visiting(server):
            pass


async def test_a_port_in_use_is_an_error_and_leaves_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError, match="in use"):
            await LocalLiveServer(port=taken.getsockname()[1]).__aenter__()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (DEV, {"x-goog-api-key": "good"}),
        (DEV + "?key=good", {}),
        (DEV + "Constrained?access_token=good", {}),
        (DEV + "Constrained", {"Authorization": "Token good", "x-goog-api-key": "other"}),
        (VERTEX, {"Authorization": "Bearer good"}),
        (VERTEX, {"x-goog-api-key": "good"}),
    ],
)
async def test_a_key_that_is_known_opens(path: str, headers: dict[str, str]) -> None:
    switches = Switches(api_keys=("good", "better"))
    setup = {"model": MODELS["vertex" if path == VERTEX else "dev"]}
    async with serving(script=QUIET, switches=switches) as server:
        async with visiting(server, path, setup=setup, additional_headers=headers):
            pass


@pytest.mark.parametrize("key", ["", "?key=bad"])
async def test_a_bad_key_opens_the_socket_and_closes_it_with_1007(key: str) -> None:
    switches = Switches(api_keys=("good",))
    async with serving(script=QUIET, switches=switches) as server:
        async with visiting(server, DEV + key, setup=None) as client:
            await client.say(setup=SETUP)
            assert await client.closed() == (
                1007,
                "API key not valid. Please pass a valid API key.",
            )


async def test_a_bad_token_is_401_on_vertex() -> None:
    async with serving(script=QUIET, switches=Switches(api_keys=("good",))) as server:
        with pytest.raises(InvalidStatus) as caught:
            await connect(server.url + VERTEX, additional_headers={"Authorization": "Bearer bad"})
        assert caught.value.response.status_code == 401


async def test_more_sessions_than_allowed_get_the_quota_close() -> None:
    switches = Switches(max_sessions=1, quota_code=1013)
    async with serving(script=QUIET, switches=switches) as server:
        async with visiting(server):
            async with visiting(server, setup=None) as client:
                await client.say(setup=SETUP)
                code, reason = await client.closed()
            assert code == 1013
            assert "quota" in reason
            await server.sessions[-1].until(lambda record: record.close is not None)
            assert server.open_sessions == 1
        await server.sessions[0].until(lambda record: record.close is not None)
        async with visiting(server):
            pass


# -- frames --------------------------------------------------------------------------------


async def test_frames_are_binary_and_the_first_is_pretty_printed() -> None:
    async with serving(script=QUIET) as server, visiting(server, setup=None) as client:
        await client.say(setup=SETUP)
        assert await client.socket.recv() == b'{\n  "setupComplete": {}\n}\n'


async def test_frames_can_be_text_and_empty_ones_come_between() -> None:
    switches = Switches(frame_type="text", empty_frames_every=2)
    async with serving(script=QUIET, switches=switches) as server:
        async with visiting(server) as client:
            await client.say(realtimeInput={"text": "go"})
            frames = [await client.socket.recv() for _ in range(6)]
            assert all(isinstance(frame, str) for frame in frames)
            assert [frame == "{}" for frame in frames] == [True, False, False] * 2


async def test_binary_frames_are_taken_from_clients_unless_they_are_not() -> None:
    for accept, code in ((True, 1007), (False, 1003)):
        switches = Switches(accept_binary=accept)
        async with serving(script=QUIET, switches=switches) as server:
            async with visiting(server, setup=None) as client:
                await client.socket.send(b'{"nonsense": 1}')
                assert (await client.closed())[0] == code


async def test_deflate_is_declined_unless_it_is_taken() -> None:
    for taken in (False, True):
        async with serving(script=QUIET, switches=Switches(deflate=taken)) as server:
            async with visiting(server) as client:
                assert bool(client.socket.protocol.extensions) == taken


async def test_a_message_that_is_too_large_closes_with_1009() -> None:
    switches = Switches(max_message_bytes=1000)
    async with serving(script=QUIET, switches=switches) as server:
        async with visiting(server) as client:
            await client.say(realtimeInput={"text": "x" * 2000})
            assert (await client.closed())[0] == 1009


async def test_a_refused_frame_closes_with_code_and_reason() -> None:
    async with serving(script=QUIET) as server, visiting(server) as client:
        await client.say(realtimeInput={"sound": 1})
        code, reason = await client.closed()
        assert code == 1007
        assert reason.startswith('Invalid JSON payload received. Unknown name "sound"')
        await server.sessions[-1].until(lambda record: record.close == (code, reason))


# -- conversations -------------------------------------------------------------------------


async def test_a_typed_question_is_answered_by_a_voice() -> None:
    clock = datetime(2026, 11, 22, 9, 30)
    async with serving(clock=lambda: clock) as server, visiting(server) as client:
        await client.say(realtimeInput={"text": "What time is it?"})
        heard = await client.turn()
        assert words(heard) == "It is nine thirty in the morning."
        pcm = sound(heard)
        assert 1.0 < len(pcm) / 48_000 < 4.0
        assert max(memoryview(pcm).cast("h")) > 3000
        record = server.sessions[-1]
        assert record.sent_audio == pcm
        assert record.setup == SETUP
        assert [item.message for item in record.received] == [RealtimeText("What time is it?")]
        kinds = {type(event) for item in record.sent for event in item.frame}
        assert {Transcription, TurnComplete} <= kinds


async def test_audio_leaves_at_the_burst_factor() -> None:
    script = Script.tones(2000)
    async with serving(script=script) as server, visiting(server) as client:
        await client.say(realtimeInput={"text": "go"})
        await client.turn()
        sounds = server.sessions[-1].sent_sounds
        took_s = sounds[-1].at - sounds[0].at
        assert 0.4 < took_s < 1.0
        assert len(sounds) > 25


async def test_received_audio_is_kept_and_bounded() -> None:
    async with serving(script=QUIET, keep_s=1.0) as server, visiting(server) as client:
        for number in range(40):
            pcm = bytes([number]) * 1600
            data = base64.b64encode(pcm).decode()
            await client.say(realtimeInput={"audio": {"data": data, "mimeType": "audio/pcm"}})
        record = server.sessions[-1]
        await record.until(lambda record: record.received_audio.endswith(bytes([39]) * 1600))
        assert record.received_audio == b"".join(bytes([n]) * 1600 for n in range(10, 40))


async def test_the_gateways_own_client_holds_a_conversation() -> None:
    async with serving(script=Script.tones(2000)) as server:
        endpoint = Endpoint("dev", base_url=server.url)
        async with await dial(endpoint, NoCredentials(), LiveSetup("gemini-3.8-live")) as live:
            await live.send_text("go")
            seen: list[type] = []
            async for event in live:
                if isinstance(event, Chunk) and Chunk not in seen:
                    await live.send_text("stop")
                seen.append(type(event))
                if seen.count(TurnComplete) == 2:
                    break
            assert seen.index(Interrupted) < seen.index(TurnComplete)


async def test_a_call_and_its_answer() -> None:
    script = Script(rules=(Rule(when="go", calls=(Call("f", {"x": 1}),)),), speak=False)
    model = "models/gemini-2.5-flash-native-audio-latest"
    setup = {"model": model, "tools": [{"functionDeclarations": [{"name": "f"}]}]}
    async with serving(script=script) as server, visiting(server, setup=setup) as client:
        await client.say(realtimeInput={"text": "go"})
        call, _ = await client.turn()
        (asked,) = call["toolCall"]["functionCalls"]
        assert (asked["name"], asked["args"]) == ("f", {"x": 1})
        answer = {"id": asked["id"], "name": "f", "response": {"output": "Done."}}
        await client.say(tool_response={"functionResponses": [answer]})
        assert len(sound(await client.turn())) == 5 * 60 * 48


async def test_a_handle_is_good_on_another_connection() -> None:
    setup = {**SETUP, "sessionResumption": {}}
    async with serving(script=Script(speak=False)) as server:
        async with visiting(server, setup=setup) as client:
            await client.hear()
            await client.say(realtimeInput={"text": f"Remember the word {WORD}"})
            await client.turn()
            handle = (await client.hear())["sessionResumptionUpdate"]["newHandle"]
        setup = {**SETUP, "sessionResumption": {"handle": handle}}
        async with visiting(server, setup=setup) as client:
            await client.say(realtimeInput={"text": "What was the word?"})
            assert words(await client.turn()) == f"The word was {WORD}."


async def test_a_connection_is_announced_to_end_and_ends() -> None:
    switches = Switches(connection_life_s=0.4, go_away_s=0.3)
    async with serving(script=QUIET, switches=switches) as server:
        async with visiting(server) as client:
            assert "timeLeft" in (await client.hear())["goAway"]
            code, reason = await client.closed()
        assert (code, reason) == (1011, "Deadline expired before operation could complete.")
        assert any(GoAway in map(type, item.frame) for item in server.sessions[-1].sent)


async def test_a_script_cuts_the_connection_in_mid_reply() -> None:
    rule = Rule(tone_ms=2000, closing=Closing(1006, at_ms=500))
    script = Script(rules=(rule,), recognize=False, speak=False)
    async with serving(script=script) as server, visiting(server) as client:
        await client.say(realtimeInput={"text": "go"})
        heard = b""
        with pytest.raises(ConnectionClosed):
            while True:
                heard += sound([await client.hear()])
        assert client.socket.close_code == 1006
        assert len(heard) <= 500 * 48 + 60 * 48
        await server.sessions[-1].until(lambda record: record.close == (1006, ""))


# -- one session never hurts another -------------------------------------------------------


class Deaf(LocalLiveServer):
    """Its voice and recognizer fail."""

    async def recognize(self, pcm: bytes) -> Heard:
        raise OSError("no recognizer")

    async def speak(self, text: str, voice: str, language: str) -> bytes:
        raise OSError("no voice")


class Slow(LocalLiveServer):
    """Its voice never comes back from one sentence."""

    async def speak(self, text: str, voice: str, language: str) -> bytes:
        if "slow" in text:
            await asyncio.Event().wait()
        return bytes(4800)


async def test_a_slow_sentence_stalls_nobody_else_and_ends_with_its_session() -> None:
    async with serving(kind=Slow, script=Script(speak=False, recognize=False)) as server:
        async with visiting(server) as stalled, visiting(server) as other:
            await stalled.say(realtimeInput={"text": "Say: slow"})
            await server.sessions[0].until(lambda record: bool(record.received))
            await other.say(realtimeInput={"text": "Say: quick"})
            assert sound(await other.turn()) == bytes(4800)
            assert server.sessions[0].sent_audio == b""


async def test_a_voice_that_fails_leaves_a_reply_of_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(kind=Deaf, script=Script(speak=False, recognize=False)) as server:
        async with visiting(server) as client:
            await client.say(realtimeInput={"text": "Thank you"})
            heard = await client.turn()
            assert words(heard) == "You are welcome."
            assert sound(heard) == b""
    assert "OSError" in caplog.text


async def test_a_recognizer_that_fails_has_understood_nothing() -> None:
    setup = {
        **SETUP,
        "realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}},
    }
    rules = (Rule(tone_ms=100),)
    async with serving(kind=Deaf, script=Script(rules=rules, speak=False)) as server:
        async with visiting(server, setup=setup) as client:
            await client.say(realtimeInput={"activityStart": {}})
            await client.say(realtimeInput={"activityEnd": {}})
            assert len(sound(await client.turn())) == 100 * 48


async def test_a_client_that_does_not_read_costs_what_its_socket_holds() -> None:
    script = Script.tones(240_000)
    switches = Switches(burst_factor=1e6, chunk_ms=200, turn_complete="at_once")
    async with serving(script=script, switches=switches, keep_s=300) as server:
        async with visiting(server, max_queue=1) as idle, visiting(server) as other:
            await idle.say(realtimeInput={"text": "go"})
            record = server.sessions[0]
            await record.until(lambda record: len(record.sent_sounds) > 10)
            sent = -1
            while sent != len(record.sent_audio):
                sent = len(record.sent_audio)
                await asyncio.sleep(0.2)  # as long as more goes out
            assert sent < 8_000_000  # of 11.5 MB
            await other.say(realtimeInput={"text": "nothing to do with it"})
            assert "serverContent" in await other.hear()
            heard = sound(await idle.turn())
            assert heard == record.sent_audio
            assert len(heard) == 240_000 * 48


async def test_a_client_that_only_talks_is_not_read_for_ever() -> None:
    script = Script(rules=(Rule(tone_ms=400),), speak=False, recognize=False)
    switches = Switches(burst_factor=1e6, chunk_ms=400, chunk_spread=0.0)
    async with serving(script=script, switches=switches) as server:
        async with visiting(server, max_queue=1, write_limit=1000) as client:
            sent = 0
            with pytest.raises(TimeoutError):
                while sent < 20_000:
                    async with asyncio.timeout(1):
                        await client.say(realtimeInput={"text": "go " * 500})
                    sent += 1
            assert len(server.sessions[-1].received) < 1000  # the rest waits in sockets
            client.socket.transport.abort()
        await server.sessions[-1].until(lambda record: record.close is not None)


async def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    async with serving(script=Script.tones(5000)) as server:
        async with visiting(server) as client:
            await client.say(realtimeInput={"text": "go"})
            await client.hear()
            client.socket.transport.abort()
            await server.sessions[-1].until(lambda record: record.close == (1006, ""))
        await asyncio.sleep(0)
        assert server.open_sessions == 0


async def test_closing_the_server_closes_every_session() -> None:
    server = LocalLiveServer(script=Script.tones(5000))
    async with contextlib.AsyncExitStack() as stack:
        async with server:
            clients = [await stack.enter_async_context(visiting(server)) for _ in range(5)]
            await clients[0].say(realtimeInput={"text": "go"})
            assert await server.next_session(after=4) is server.sessions[-1]
            assert server.open_sessions == 5
        assert server.open_sessions == 0
        for client in clients:
            assert (await client.closed())[0] == 1001


async def test_no_words_and_no_keys_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(script=Script(speak=False)) as server:
        headers = {"x-goog-api-key": "very-secret"}
        async with visiting(
            server, additional_headers=headers, logger=logging.Logger("x")
        ) as client:
            await client.say(realtimeInput={"text": "Say: a private matter"})
            await client.turn()
            await client.say(realtimeInput={"private": 1})
            await client.closed()
    ours = [entry for entry in caplog.records if entry.name.startswith("gateway")]
    text = " ".join(entry.getMessage() for entry in ours)
    assert "secret" not in text
    assert "private matter" not in text


async def test_the_same_seed_says_the_same() -> None:
    heard: list[list[Any]] = []
    for seed in (1, 1, 2):
        script = Script.tones(1000)
        async with serving(script=script, seed=seed) as server:
            async with visiting(server, setup={**SETUP, "sessionResumption": {}}) as client:
                await client.say(realtimeInput={"text": "go"})
                heard.append(await client.turn())
    assert heard[0] == heard[1] != heard[2]

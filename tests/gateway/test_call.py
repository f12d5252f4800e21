"""Whole calls from an aiortc client against the local Live server, and every way they end."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import aiohttp
import aioice.ice
import pytest
from aiortc import RTCRtpSender

from gateway.config import CallConfig, LiveConfig
from gateway.live.local import Script, Switches
from gateway.live.local.reply import Closing
from gateway.live.local.script import Rule
from tests.support import stack as support
from tests.support.audio import frequency_hz, level_dbfs, samples_of, voiced_span
from tests.support.client import HEARD_HZ, AiortcClient
from tests.support.speech import say
from tests.support.stack import ENGINES, LIMITS, running_stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

TONES = Script.tones(3000)


@pytest.fixture(params=ENGINES, autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every call is held on both engines."""
    monkeypatch.setattr(support, "ENGINE", request.param)
    name: str = request.param
    return name


async def connected(client: AiortcClient, **query: str) -> None:
    await client.call(**query)
    await client.wait_for("call.state", state="listening")


async def test_a_spoken_question_is_understood_and_its_answer_heard() -> None:
    async with running_stack() as stack, AiortcClient(stack.url) as client:
        await connected(client)
        client.microphone.say(say("What time is it?"))
        await client.wait_for("speech.started", turn=1)
        await client.wait_for("speech.stopped", turn=1)
        await client.wait_for("turn.started", turn=1)
        completed = await client.wait_for("turn.completed", turn=1)
        assert client.transcript("user", 1).strip().lower().startswith("what time is it")
        assert "it is" in client.transcript("model", 1).lower()
        assert completed["usage"]["total_tokens"] > 0
        assert 0 < completed["latency_ms"] < 5000
        await asyncio.sleep(0.3)  # the last packets are still under way
        sent_s = len(stack.live.sessions[-1].sent_audio) / 48000
        begin, end = voiced_span(client.heard_samples(), HEARD_HZ)
        assert end - begin == pytest.approx(sent_s, abs=0.4)
        states = [e["state"] for e in client.events if e["type"] == "call.state"]
        assert states == ["listening", "thinking", "speaking", "listening"]


async def test_the_model_hears_what_the_client_says_at_16_khz() -> None:
    async with running_stack(script=TONES) as stack, AiortcClient(stack.url) as client:
        await connected(client)
        client.microphone.say(say("Count to ten"))
        await client.wait_for("turn.started")
        received = samples_of(bytes(stack.live.sessions[-1].received_audio))
        spoken = samples_of(say("Count to ten"))
        begin, end = voiced_span(received, 16000)
        first, last = voiced_span(spoken, 16000)
        assert end - begin == pytest.approx(last - first, abs=0.1)
        assert level_dbfs(received[int(begin * 16000) : int(end * 16000)]) == pytest.approx(
            level_dbfs(spoken[int(first * 16000) : int(last * 16000)]), abs=2
        )


async def test_the_client_hears_the_tone_the_model_sends() -> None:
    async with running_stack(script=TONES) as stack, AiortcClient(stack.url) as client:
        await connected(client)
        client.send(type="input.text", text="anything")
        await client.wait_for("turn.completed", turn=1)
        await asyncio.sleep(0.3)
        heard = client.heard_samples()
        begin, end = voiced_span(heard, HEARD_HZ)
        assert end - begin == pytest.approx(3.0, abs=0.1)
        tone = heard[int((begin + 0.1) * HEARD_HZ) : int((end - 0.1) * HEARD_HZ)]
        assert frequency_hz(tone.astype(float), HEARD_HZ) == pytest.approx(440, abs=1)
        quiet = [level for level in _levels(tone) if level < -30]
        assert quiet == [], "the tone has no gap"


@pytest.mark.parametrize("codec", ["G722", "PCMU", "PCMA"])
async def test_telephone_codecs_carry_both_directions(codec: str) -> None:
    async with running_stack(script=TONES) as stack, AiortcClient(stack.url) as client:
        capabilities = RTCRtpSender.getCapabilities("audio").codecs
        wanted = [one for one in capabilities if one.mimeType == f"audio/{codec}"]
        client.pc.getTransceivers()[0].setCodecPreferences(wanted)
        await connected(client)
        assert f" {codec}/8000" in client.answer
        client.microphone.say(say("Count to ten"))
        await client.wait_for("turn.completed", turn=1)
        await asyncio.sleep(0.3)
        heard, heard_hz = client.heard_samples(), client.heard_hz
        begin, end = voiced_span(heard, heard_hz)
        assert end - begin == pytest.approx(3.0, abs=0.1)
        tone = heard[int((begin + 0.1) * heard_hz) : int((end - 0.1) * heard_hz)]
        assert frequency_hz(tone.astype(float), heard_hz) == pytest.approx(440, abs=1)
        received = samples_of(bytes(stack.live.sessions[-1].received_audio))
        spoken = samples_of(say("Count to ten"))
        (begin, end), (first, last) = voiced_span(received, 16000), voiced_span(spoken, 16000)
        assert end - begin == pytest.approx(last - first, abs=0.15)
        assert level_dbfs(received[int(begin * 16000) : int(end * 16000)]) == pytest.approx(
            level_dbfs(spoken[int(first * 16000) : int(last * 16000)]), abs=3
        )


def _levels(tone: object) -> list[float]:
    from tests.support.audio import frame_levels

    return frame_levels(tone, HEARD_HZ)  # type: ignore[arg-type]


async def test_speaking_over_the_reply_silences_it() -> None:
    async with running_stack() as stack, AiortcClient(stack.url) as client:
        await connected(client)
        client.send(type="input.text", text="tell me a story")
        await client.wait_for("turn.started", turn=1)
        await asyncio.sleep(1.5)
        client.microphone.say(say("Stop"))
        interrupted = await client.wait_for("turn.interrupted", turn=1)
        at_s = time.monotonic()
        await client.wait_for("turn.completed", turn=2)
        assert 1000 < interrupted["heard_ms"] < 6000
        stop = _silent_after(client, at_s)
        assert stop <= 0.1 + 0.08, "the client's own jitter buffer holds four packets"


def _silent_after(client: AiortcClient, at_s: float) -> float:
    """Seconds from ``at_s`` to the end of the last voiced frame of that reply."""
    heard = client.heard_samples().astype(float)
    loud = [
        arrival
        for index, arrival in enumerate(client.heard_at_s)
        if level_dbfs(heard[index * 960 : (index + 1) * 960]) > -50 and arrival < at_s + 0.4
    ]
    return max(0.0, max(loud) - at_s)


async def test_the_client_can_stop_the_reply_itself() -> None:
    async with running_stack(script=Script.tones(8000)) as stack, AiortcClient(stack.url) as client:
        await connected(client)
        client.send(type="input.text", text="go")
        await client.wait_for("call.state", state="speaking")
        await asyncio.sleep(0.5)
        client.send(type="interrupt")
        await client.wait_for("turn.interrupted", turn=1)
        heard = len(client.heard)
        await asyncio.sleep(1.0)
        late = client.heard_samples().astype(float)[heard // 2 + HEARD_HZ // 4 :]
        assert level_dbfs(late) < -60


async def test_the_greeting_comes_first() -> None:
    limits = CallConfig(greeting="Say: Welcome.")
    async with running_stack(limits=limits) as stack, AiortcClient(stack.url) as client:
        await connected(client)
        await client.wait_for("turn.completed", turn=1)
        assert "welcome" in client.transcript("model", 1).lower()
        assert client.transcript("user", 1) == ""


async def test_model_voice_and_language_of_the_query_reach_the_setup() -> None:
    async with running_stack(script=TONES) as stack, AiortcClient(stack.url) as client:
        await connected(
            client, model="gemini-3.1-flash-live-preview", voice="Kore", language="de-DE"
        )
        setup = stack.live.sessions[-1].setup
        assert setup["model"] == "models/gemini-3.1-flash-live-preview"
        speech = setup["generationConfig"]["speechConfig"]
        assert speech["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"] == "Kore"
        assert speech["languageCode"] == "de-DE"
        ready = await client.wait_for("call.ready")
        assert (ready["voice"], ready["language"]) == ("Kore", "de-DE")


async def test_instructions_reach_the_setup() -> None:
    limits = CallConfig(greeting="", instructions="Answer in one word.")
    async with (
        running_stack(limits=limits, script=TONES) as stack,
        AiortcClient(stack.url) as client,
    ):
        await connected(client)
        instruction = stack.live.sessions[-1].setup["systemInstruction"]
        assert instruction["parts"] == [{"text": "Answer in one word."}]


async def test_a_client_that_stops_sending_packets_is_filled_with_silence(engine: str) -> None:
    async with running_stack(script=TONES) as stack, AiortcClient(stack.url) as client:
        await connected(client)
        client.microphone.say(say("Count to ten"))
        await client.microphone.said()
        client.pc.getSenders()[0].replaceTrack(None)
        await client.wait_for("turn.started", turn=1)
        counters = (await client.get())["counters"]
        assert counters["uplink_silence_frames"] > 10
        assert ("rtp_received" in counters) is (engine == "native")


# How calls end


async def ended(client: AiortcClient, reason: str) -> str:
    event = await client.wait_for("call.ended", timeout_s=30)
    assert event["reason"] == reason
    assert event is client.events[-1]
    document = await client.get()
    assert document["state"] == "ended"
    assert document["ended"] == {"reason": reason, "message": event["message"]}
    return str(event["message"])


async def test_hanging_up_by_http() -> None:
    async with running_stack(script=TONES) as stack, AiortcClient(stack.url) as client:
        await connected(client)
        assert await client.hang_up() == 200
        await ended(client, "hangup")
        assert await client.hang_up() == 200


async def test_hanging_up_by_closing_the_peer_connection() -> None:
    async with running_stack(script=TONES) as stack:
        client = AiortcClient(stack.url)
        await connected(client)
        await client.close()
        async with asyncio.timeout(5):
            while (document := await client.get())["state"] != "ended":
                await asyncio.sleep(0.05)
        assert document["ended"]["reason"] == "hangup"


async def test_a_client_gone_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.2)
    async with running_stack(script=TONES) as stack, AiortcClient(stack.url) as client:
        await connected(client)
        # Every socket of the client goes deaf and dumb; nothing is said goodbye to.
        transport = client.pc.getSenders()[0].transport.transport
        transport._connection._send_stun = lambda *args: None
        for protocol in transport._connection._protocols:
            protocol.transport.abort()
        async with asyncio.timeout(15):
            while (document := await client.get())["state"] != "ended":
                await asyncio.sleep(0.1)
        assert document["ended"]["reason"] == "peer_lost"


async def test_an_answer_that_is_never_taken() -> None:
    limits = CallConfig(greeting="", connect_s=1.0)
    async with running_stack(limits=limits, script=TONES) as stack:
        client = AiortcClient(stack.url)
        headers = {"Content-Type": "application/sdp"}
        async with aiohttp.ClientSession() as http:
            body = (await client.offer()).encode()
            post = http.post(f"{stack.url}/v1/calls", data=body, headers=headers)
            async with post as response:
                client.location = response.headers["Location"]
        await client.close()
        async with asyncio.timeout(10):
            while (document := await client.get())["state"] != "ended":
                await asyncio.sleep(0.1)
        assert document["ended"]["reason"] in ("not_connected", "hangup")
        async with asyncio.timeout(10):
            while len(stack.calls):
                await asyncio.sleep(0.1)


async def test_silence_for_too_long() -> None:
    limits = CallConfig(greeting="", idle_s=1.0)
    async with (
        running_stack(limits=limits, script=TONES) as stack,
        AiortcClient(stack.url) as client,
    ):
        await client.call()
        assert "1 s" in await ended(client, "idle")


async def test_a_reply_that_plays_is_not_silence() -> None:
    limits = CallConfig(greeting="", idle_s=1.5)
    async with (
        running_stack(limits=limits, script=TONES) as stack,
        AiortcClient(stack.url) as client,
    ):
        await connected(client)
        client.send(type="input.text", text="go")
        await ended(client, "idle")
        await client.wait_for("turn.completed", turn=1, timeout_s=0.1)


async def test_the_limit_of_a_call() -> None:
    limits = CallConfig(greeting="", call_s=1.5)
    async with (
        running_stack(limits=limits, script=TONES) as stack,
        AiortcClient(stack.url) as client,
    ):
        await client.call()
        await ended(client, "limit")


async def test_a_gateway_that_stops() -> None:
    async with running_stack(script=TONES) as stack, AiortcClient(stack.url) as client:
        await connected(client)
        draining = asyncio.create_task(stack.calls.drain())
        await ended(client, "shutdown")
        await client.close()
        await draining
        assert len(stack.calls) == 0


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Closing(1007, "API key not valid. Please pass a valid API key."), "live_unauthorized"),
        (Closing(1007, "Request contains an invalid argument."), "live_refused"),
        (Closing(1011, "Internal error encountered."), "live_unreachable"),
    ],
)
async def test_a_live_session_that_is_refused(refusal: Closing, code: str) -> None:
    script = Script(refuse=refusal)
    async with running_stack(script=script) as stack, AiortcClient(stack.url) as client:
        await client.call()
        error = await client.wait_for("error")
        assert (error["code"], error["fatal"]) == (code, True)
        assert len(error["message"]) > 20
        await ended(client, "live_refused")


async def test_a_model_that_does_not_exist() -> None:
    async with running_stack() as stack, AiortcClient(stack.url) as client:
        await client.call(model="gemini-99-live")
        error = await client.wait_for("error")
        assert error["code"] == "live_refused"
        assert "gemini-99-live" in error["message"]
        await ended(client, "live_refused")


async def test_a_service_that_cannot_be_reached() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{unused.getsockname()[1]}"
        async with running_stack(live_url=url) as stack, AiortcClient(stack.url) as client:
            await client.call()
            error = await client.wait_for("error")
            assert error["code"] == "live_unreachable"
            await ended(client, "live_refused")


async def test_a_service_that_never_answers() -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    live = LiveConfig(connect_s=0.5)
    async with (
        server,
        running_stack(live=live, live_url=url) as stack,
        AiortcClient(stack.url) as client,
    ):
        await client.call()
        error = await client.wait_for("error")
        assert error["code"] == "live_unreachable"
        assert "0.5 s" in error["message"]
        await ended(client, "live_refused")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1007, "Request contains an invalid argument."),
        (1008, "The operation was aborted."),
        (1011, "Internal error encountered."),
    ],
)
async def test_a_live_session_closed_in_mid_reply(code: int, reason: str) -> None:
    rule = Rule(tone_ms=4000, closing=Closing(code, reason, at_ms=1000))
    script = Script(rules=(rule,), recognize=False, speak=False)
    async with running_stack(script=script) as stack, AiortcClient(stack.url) as client:
        await connected(client)
        client.send(type="input.text", text="go")
        error = await client.wait_for("error")
        assert error["code"] == "live_closed"
        assert str(code) in error["message"]
        assert reason in error["message"]
        await ended(client, "live_lost")


# What clients get wrong on the data channel


async def test_junk_on_the_data_channel_is_answered_and_survived() -> None:
    async with running_stack(script=TONES) as stack, AiortcClient(stack.url) as client:
        await connected(client)
        for junk in ("junk", "[]", '{"type":"nonsense"}', b"\x00\xff" * 50, "", b""):
            client.channel.send(junk)
        client.pc.sctp._remote_max_message_size = 0  # a client that heeds no limit
        client.channel.send(json.dumps({"type": "input.text", "text": "x" * 1_000_000}))
        await client.wait_for("error", code="message_too_large")
        client.send(type="input.text", text="go")
        await client.wait_for("turn.completed", turn=1)
        errors = [e for e in client.events if e["type"] == "error"]
        assert len(errors) >= 6
        assert not any(error["fatal"] for error in errors)


async def test_a_second_hello_replays_what_was_missed() -> None:
    async with running_stack(script=TONES) as stack, AiortcClient(stack.url) as client:
        await connected(client)
        seen = client.events[-1]["seq"]
        client.send(type="input.text", text="go")
        await client.wait_for("turn.completed", turn=1)
        before = len(client.events)
        client.send(type="hello", protocol=1, after_seq=seen)
        await client.wait_for("call.ready", seq=seen)
        replayed = client.events[before]["replayed"]
        assert replayed == client.events[before - 1]["seq"] - seen
        await client.wait_for("call.ready", replayed=replayed)


async def test_ten_calls_at_once_leave_nothing() -> None:
    async with running_stack(script=Script.tones(500)) as stack:
        clients = [AiortcClient(stack.url) for _ in range(10)]
        await asyncio.gather(*(connected(client) for client in clients))
        assert len(stack.calls) == 10
        for client in clients:
            client.send(type="input.text", text="go")
        await asyncio.gather(*(client.wait_for("turn.completed") for client in clients))
        await asyncio.gather(*(client.close() for client in clients))


async def test_the_calls_at_once_are_limited() -> None:
    limits = CallConfig(greeting="", max_calls=1)
    async with running_stack(limits=limits, script=TONES) as stack:
        async with AiortcClient(stack.url) as first, AiortcClient(stack.url) as second:
            await connected(first)
            with pytest.raises(AssertionError, match="too_many_calls"):
                await second.call()


async def test_every_switch_of_frames_gives_the_same_call() -> None:
    for switches in (
        Switches(frame_type="text", empty_frames_every=2, usage_alone=True),
        Switches(bundle="always", turn_complete="at_once", input_transcript_order="after"),
        Switches(bundle="never", turn_complete="same_frame", chunk_ms=250, burst_factor=50),
        Switches(interrupted_order="reversed", output_transcript_order="after"),
    ):
        script = Script.tones(600)
        async with (
            running_stack(switches=switches, script=script) as stack,
            AiortcClient(stack.url) as client,
        ):
            await connected(client)
            client.send(type="input.text", text="go")
            completed = await client.wait_for("turn.completed", turn=1)
            assert completed["usage"] is not None
            begin, end = voiced_span(client.heard_samples(), HEARD_HZ)
            assert end - begin == pytest.approx(0.6, abs=0.15)


def test_the_limits_of_the_tests_have_no_greeting() -> None:
    assert LIMITS.greeting == ""

"""A conversation of the official SDK, the same with the local server and with Google's."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.genai import errors, types

from gateway.live.local.phrases import SLOTS
from tests.contract.far_end import FarEnd
from tests.support.speech import say

pytestmark = pytest.mark.contract

WORD = SLOTS["word"][0]
FRAME_BYTES = 640  # 20 ms
TURN_S = 30
WEATHER = {
    "function_declarations": [
        {
            "name": "get_weather",
            "description": "The weather in a city, now.",
            "parameters": {
                "type": "OBJECT",
                "properties": {"city": {"type": "STRING"}},
                "required": ["city"],
            },
        }
    ]
}


@dataclass
class Heard:
    """What came in one turn."""

    audio: bytes = b""
    user: str = ""
    model: str = ""
    interrupted: bool = False
    complete: bool = False
    usage: types.UsageMetadata | None = None
    calls: list[Any] = field(default_factory=list)
    order: list[str] = field(default_factory=list)

    def take(self, message: types.LiveServerMessage) -> None:
        if message.usage_metadata:
            self.usage = message.usage_metadata
        if message.tool_call:
            self.calls += message.tool_call.function_calls or []
        content = message.server_content
        if content is None:
            return
        for part in (content.model_turn and content.model_turn.parts) or []:
            if part.inline_data and part.inline_data.data:
                assert part.inline_data.mime_type == "audio/pcm;rate=24000"
                self.audio += part.inline_data.data
                self._note("audio")
        if content.input_transcription and content.input_transcription.text:
            self.user += content.input_transcription.text
        if content.output_transcription and content.output_transcription.text:
            self.model += content.output_transcription.text
        for name in ("generation_complete", "interrupted", "turn_complete"):
            if getattr(content, name):
                self._note(name)
        self.interrupted |= bool(content.interrupted)
        self.complete |= bool(content.turn_complete)

    def _note(self, what: str) -> None:
        if self.order[-1:] != [what]:
            self.order.append(what)


async def hear(session: Any, *, until: Any = None) -> Heard:
    """Everything to the end of the turn, or until ``until(heard)``."""
    heard = Heard()
    async with asyncio.timeout(TURN_S):
        while True:
            async for message in session.receive():
                heard.take(message)
                if until and until(heard):
                    return heard
            if not until:
                return heard


async def speak(session: Any, far_end: FarEnd, text: str) -> None:
    """Say ``text`` as a caller does: 20 ms at a time, and then the microphone's silence."""
    pcm = say(text) + bytes(32 * 1500)
    for start in range(0, len(pcm), FRAME_BYTES):
        blob = types.Blob(data=pcm[start : start + FRAME_BYTES], mime_type="audio/pcm;rate=16000")
        await session.send_realtime_input(audio=blob)
        await asyncio.sleep(0.02 / far_end.pace)


async def test_a_spoken_question_is_heard_and_answered(far_end: FarEnd) -> None:
    async with far_end.talking() as session:
        talking = asyncio.create_task(speak(session, far_end, "What time is it?"))
        heard = await hear(session)
        await talking
    assert "time" in heard.user.lower()
    assert len(heard.audio) > 24_000
    assert heard.model.strip()
    assert heard.order[:2] == ["audio", "generation_complete"]
    assert heard.complete
    assert not heard.interrupted
    assert heard.usage is not None
    assert heard.usage.total_token_count
    assert heard.usage.response_token_count
    if far_end.local:
        assert heard.user == "What time is it?"
        assert re.fullmatch("It is .+ in the (morning|afternoon|evening).", heard.model)


async def test_speaking_over_a_reply_interrupts_it(far_end: FarEnd) -> None:
    async with far_end.talking() as session:
        story = types.Content(role="user", parts=[types.Part(text="Tell me a long story")])
        await session.send_client_content(turns=story)
        first = await hear(session, until=lambda heard: len(heard.audio) > 48_000)
        assert not first.complete
        talking = asyncio.create_task(speak(session, far_end, "Stop."))
        cut_off = await hear(session)
        assert cut_off.interrupted
        assert cut_off.order[-2:] == ["interrupted", "turn_complete"]
        assert "generation_complete" not in cut_off.order
        answer = await hear(session)
        await talking
    assert answer.audio
    assert answer.complete
    if far_end.local:
        assert answer.model == "Okay."


async def test_text_is_answered_and_remembered(far_end: FarEnd) -> None:
    async with far_end.talking() as session:
        turn = {"role": "user", "parts": [{"text": "Say exactly: good morning to you"}]}
        await session.send_client_content(turns=turn, turn_complete=True)
        heard = await hear(session)
        assert "good morning" in heard.model.lower()
        if far_end.service == "dev":
            await session.send_realtime_input(text="Thank you")
            assert (await hear(session)).audio


async def test_a_function_is_called_and_its_answer_is_spoken(far_end: FarEnd) -> None:
    async with far_end.talking(tools=[WEATHER]) as session:
        question = types.Content(
            role="user", parts=[types.Part(text="What is the weather in Paris?")]
        )
        await session.send_client_content(turns=question)
        asked = await hear(session, until=lambda heard: heard.calls)
        (call,) = asked.calls
        assert call.name == "get_weather"
        assert call.args == {"city": "Paris"}
        response = types.FunctionResponse(
            id=call.id, name=call.name, response={"output": "Sunny and 21 degrees."}
        )
        await session.send_tool_response(function_responses=response)
        told = await hear(session, until=lambda heard: heard.complete and heard.audio)
    assert "sunny" in told.model.lower()


async def test_the_whole_configuration_is_taken(far_end: FarEnd) -> None:
    vertex = far_end.service == "vertex"
    config: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 2048,
        "media_resolution": "MEDIA_RESOLUTION_LOW",
        "system_instruction": "Be brief and friendly.",
        "speech_config": {
            "voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}},
            "language_code": "en-US",
        },
        "tools": [WEATHER],
        "realtime_input_config": {
            "automatic_activity_detection": {
                "start_of_speech_sensitivity": "START_SENSITIVITY_HIGH",
                "end_of_speech_sensitivity": "END_SENSITIVITY_LOW",
                "prefix_padding_ms": 20,
                "silence_duration_ms": 600,
            },
            "activity_handling": "START_OF_ACTIVITY_INTERRUPTS",
            "turn_coverage": "TURN_INCLUDES_ONLY_ACTIVITY",
        },
        "session_resumption": {"transparent": True} if vertex else {},
        "context_window_compression": {
            "trigger_tokens": 100_000,
            "sliding_window": {"target_tokens": 50_000},
        },
    }
    if vertex:
        config |= {"explicit_vad_signal": True, "enable_affective_dialog": True}
    async with far_end.talking(**config) as session:
        assert session.setup_complete is not None
        assert bool(session.session_id) == vertex
        update = None
        async with asyncio.timeout(TURN_S):
            async for message in session.receive():
                update = message.session_resumption_update
                if update is not None:
                    break
        assert update is not None
        if far_end.local:
            setup = far_end.local.sessions[-1].setup
            assert setup is not None
            generation = setup["generationConfig"]
            assert generation["speechConfig"]["languageCode"] == "en-US"
            assert generation["maxOutputTokens"] == 2048
            compression = setup["contextWindowCompression"]
            assert compression == {
                "triggerTokens": 100_000,
                "slidingWindow": {"targetTokens": 50_000},
            }
            assert setup["systemInstruction"]["parts"] == [{"text": "Be brief and friendly."}]


async def test_a_handle_goes_on_and_a_dead_one_does_not(far_end: FarEnd) -> None:
    async with far_end.talking(session_resumption={}) as session:
        turn = {"role": "user", "parts": [{"text": f"Remember the word {WORD}"}]}
        await session.send_client_content(turns=turn)
        await hear(session)
        handle = None
        async with asyncio.timeout(TURN_S):
            async for message in session.receive():
                update = message.session_resumption_update
                if update is not None and update.resumable and update.new_handle:
                    handle = update.new_handle
                    break
    async with far_end.talking(session_resumption={"handle": handle}) as session:
        turn = {"role": "user", "parts": [{"text": "What was the word?"}]}
        await session.send_client_content(turns=turn)
        heard = await hear(session)
        assert WORD in heard.model.lower()
    with pytest.raises(errors.APIError) as caught:
        async with far_end.talking(session_resumption={"handle": "nobody"}) as session:
            await hear(session)
    assert caught.value.code in (1007, 1008)
    if far_end.local:
        assert caught.value.code == 1008


async def test_a_model_that_is_not_there_is_refused(far_end: FarEnd) -> None:
    with pytest.raises(errors.APIError) as caught:
        async with far_end.talking(model="gemini-0.1-nobody"):
            pass
    assert caught.value.code == 1008
    assert "gemini-0.1-nobody" in str(caught.value)


async def test_a_text_modality_is_refused_by_a_native_audio_model(far_end: FarEnd) -> None:
    with pytest.raises(errors.APIError) as caught:
        async with far_end.talking(response_modalities=["TEXT"]) as session:
            await hear(session)
    assert caught.value.code == 1007


async def test_manual_activity_makes_a_turn(far_end: FarEnd) -> None:
    manual = {"automatic_activity_detection": {"disabled": True}}
    async with far_end.talking(realtime_input_config=manual) as session:
        await session.send_realtime_input(activity_start=types.ActivityStart())
        await speak(session, far_end, "Hello, can you hear me?")
        await session.send_realtime_input(activity_end=types.ActivityEnd())
        heard = await hear(session)
    assert heard.audio
    assert heard.complete


async def test_the_older_ways_of_sending_are_taken(far_end: FarEnd) -> None:
    async with far_end.talking() as session:
        blob = types.Blob(data=bytes(640), mime_type="audio/pcm;rate=16000")
        await session.send_realtime_input(media=blob)
        await session.send_realtime_input(audio_stream_end=True)
        image = types.Blob(data=b"\xff\xd8\xff\xd9", mime_type="image/jpeg")
        if far_end.local:
            await session.send_realtime_input(video=image)
        turn = {"role": "user", "parts": [{"text": "Thank you"}]}
        await session.send_client_content(turns=turn)
        assert (await hear(session)).audio
    if far_end.local:
        assert far_end.local.sessions[-1].received_audio == bytes(640)


@pytest.mark.services("dev")  # the model used on Vertex AI has no contextUpdate
async def test_instructions_and_tools_change_in_mid_session(far_end: FarEnd) -> None:
    async with far_end.talking() as session:
        await session.send_context_update(system_instruction="Be brief.", tools=[WEATHER])
        question = types.Content(
            role="user", parts=[types.Part(text="What is the weather in Paris?")]
        )
        await session.send_client_content(turns=question)
        asked = await hear(session, until=lambda heard: heard.calls)
    assert asked.calls[0].name == "get_weather"

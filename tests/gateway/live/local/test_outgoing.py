from __future__ import annotations

import base64
import json
import warnings
from typing import Any

import pytest
from google.genai import _live_converters as converters
from google.genai import types

from gateway.live.codec import decode_server
from gateway.live.local.outgoing import Frame, encode
from gateway.live.messages import (
    AudioChunk,
    FunctionCall,
    GenerationComplete,
    GoAway,
    Grounding,
    Interrupted,
    SessionResumptionUpdate,
    SetupComplete,
    TextChunk,
    TokenDetail,
    ToolCall,
    ToolCallCancellation,
    Transcription,
    TurnComplete,
    Usage,
    VoiceActivity,
)

pytestmark = pytest.mark.unit

PCM = bytes(range(250)) * 2
USAGE = Usage(
    prompt_tokens=33,
    output_tokens=75,
    total_tokens=108,
    details=(TokenDetail("prompt", "AUDIO", 33), TokenDetail("output", "AUDIO", 75)),
)
FRAMES: list[Frame] = [
    (SetupComplete("abc"),),
    (AudioChunk(PCM),),
    (AudioChunk(PCM), Transcription("model", " wörd")),
    (TextChunk("hm", thought=True), TextChunk("yes")),
    (Transcription("user", "hi", finished=True, language="en-US"),),
    (Interrupted(),),
    (GenerationComplete(),),
    (TurnComplete(), USAGE),
    (TurnComplete(reason="BLOCKLIST"),),
    (ToolCall((FunctionCall("1", "f", {"a_b": [1]}), FunctionCall(None, "g", {}))),),
    (ToolCallCancellation(("1", "2")),),
    (GoAway(50.0),),
    (SessionResumptionUpdate("h", True, 42),),
    (SessionResumptionUpdate("", False),),
    (VoiceActivity(True, 1.25),),
    (USAGE,),
]


def message(*frame: Any, usage: Any = "dev") -> Any:
    return json.loads(encode(frame, usage))


@pytest.mark.parametrize("usage", ["dev", "vertex"])
@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame[0]).__name__)
def test_the_gateways_own_codec_reads_what_was_said(frame: Frame, usage: Any) -> None:
    assert sorted(map(repr, decode_server(encode(frame, usage)))) == sorted(map(repr, frame))


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame[0]).__name__)
def test_the_official_sdk_knows_every_field(frame: Frame) -> None:
    for usage, convert in (
        ("dev", converters._LiveServerMessage_from_mldev),
        ("vertex", converters._LiveServerMessage_from_vertex),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            types.LiveServerMessage.model_validate(convert(message(*frame, usage=usage)))


def test_setup_complete_is_pretty_printed_with_a_newline() -> None:
    assert encode((SetupComplete(),)) == '{\n  "setupComplete": {}\n}\n'


def test_contents_share_an_object_and_usage_is_its_sibling() -> None:
    said = message(AudioChunk(PCM), Transcription("model", "a"), TurnComplete(), USAGE)
    assert said == {
        "serverContent": {
            "modelTurn": {
                "role": "model",
                "parts": [
                    {
                        "inlineData": {
                            "mimeType": "audio/pcm;rate=24000",
                            "data": base64.b64encode(PCM).decode(),
                        }
                    }
                ],
            },
            "outputTranscription": {"text": "a"},
            "turnComplete": True,
        },
        "usageMetadata": {
            "promptTokenCount": 33,
            "responseTokenCount": 75,
            "totalTokenCount": 108,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 33}],
            "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 75}],
        },
    }


def test_vertex_spells_usage_its_own_way() -> None:
    usage = message(USAGE, usage="vertex")["usageMetadata"]
    assert usage["candidatesTokenCount"] == 75
    assert usage["candidatesTokensDetails"] == [{"modality": "AUDIO", "tokenCount": 75}]
    assert usage["trafficType"] == "ON_DEMAND"
    assert message(TurnComplete(), USAGE, usage="none") == {"serverContent": {"turnComplete": True}}


def test_durations_and_long_integers_are_strings() -> None:
    assert message(GoAway(50.0)) == {"goAway": {"timeLeft": "50s"}}
    assert message(GoAway(9.5)) == {"goAway": {"timeLeft": "9.5s"}}
    assert message(GoAway(2_000_000.0)) == {"goAway": {"timeLeft": "2000000s"}}
    assert message(GoAway()) == {"goAway": {}}
    update = message(SessionResumptionUpdate("h", True, 42))["sessionResumptionUpdate"]
    assert update["lastConsumedClientMessageIndex"] == "42"
    assert message(SessionResumptionUpdate("", False)) == {
        "sessionResumptionUpdate": {"resumable": False}
    }


def test_a_call_without_an_id_has_no_id() -> None:
    (call,) = message(ToolCall((FunctionCall(None, "f", {}),)))["toolCall"]["functionCalls"]
    assert call == {"name": "f", "args": {}}


def test_what_the_server_never_says_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="never says Grounding"):
        encode((Grounding({}),))

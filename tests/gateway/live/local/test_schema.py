from __future__ import annotations

import base64
import enum
import json
import re
import typing
from typing import Any

import pydantic
import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.live.codec import encode_client
from gateway.live.local.protojson import read
from gateway.live.local.refusal import REASON_BYTES, Refusal, cut
from gateway.live.local.schema import ContextUpdate, decode_client
from gateway.live.local.switches import Switches
from gateway.live.local.tables import BY_NAME, ENUMS, MESSAGES, ROOT, SCALARS, Service
from gateway.live.messages import (
    ActivityEnd,
    ActivityStart,
    AudioStreamEnd,
    BlobPart,
    ClientContent,
    Content,
    FunctionResponse,
    RealtimeAudio,
    RealtimeText,
    RealtimeVideo,
    Setup,
    TextPart,
    ToolResponse,
)

pytestmark = pytest.mark.unit

PCM = bytes(range(256)) * 4
UNKNOWN = "Invalid JSON payload received. Unknown name"
INVALID_ARGUMENT = "Request contains an invalid argument."


def refusal(message: Any, service: Service = "dev", **options: Any) -> str:
    """The reason ``message`` is refused for; always with 1007."""
    frame = message if isinstance(message, str | bytes) else json.dumps(message)
    with pytest.raises(Refusal) as caught:
        decode_client(frame, service, **options)
    assert caught.value.code == 1007
    return caught.value.reason


def setup(**fields: Any) -> dict[str, Any]:
    return {"setup": {"model": "models/gemini-3.8-live", **fields}}


# -- spelling ------------------------------------------------------------------------------


def test_names_are_taken_in_both_spellings_mixed_at_every_level() -> None:
    (said,) = decode_client(
        json.dumps(
            setup(
                generation_config={
                    "responseModalities": ["AUDIO"],
                    "speechConfig": {
                        "voice_config": {"prebuiltVoiceConfig": {"voice_name": "Kore"}},
                        "language_code": "de-DE",
                    },
                },
                realtimeInputConfig={"automatic_activity_detection": {"silenceDurationMs": 300}},
            )
        )
    )
    assert said == Setup(
        {
            "model": "models/gemini-3.8-live",
            "generationConfig": {
                "responseModalities": ["AUDIO"],
                "speechConfig": {
                    "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}},
                    "languageCode": "de-DE",
                },
            },
            "realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 300}},
        }
    )


@pytest.mark.parametrize("frame", ["text", "binary"])
@pytest.mark.parametrize("alphabet", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padding", ["", "="])
def test_audio_is_taken_in_either_alphabet_padded_or_not(
    frame: str, alphabet: Any, padding: str
) -> None:
    data = alphabet(PCM[:1022]).decode().rstrip("=" if not padding else "")
    text = json.dumps({"realtime_input": {"audio": {"data": data, "mime_type": "audio/pcm"}}})
    said = decode_client(text if frame == "text" else text.encode())
    assert said == (RealtimeAudio(PCM[:1022]),)


@pytest.mark.parametrize("name", ["mediaChunks", "media_chunks", "media"])
def test_the_older_names_of_media_are_taken_too(name: str) -> None:
    blobs = [
        {"data": base64.b64encode(PCM).decode(), "mimeType": "audio/pcm;rate=24000"},
        {"data": base64.b64encode(b"jpeg").decode(), "mimeType": "image/jpeg"},
    ]
    said = decode_client(json.dumps({"realtimeInput": {name: blobs}}))
    assert said == (RealtimeAudio(PCM, 24_000), RealtimeVideo(b"jpeg", "image/jpeg"))


def test_null_is_absent_and_a_lone_value_is_a_list_of_one() -> None:
    text = {"systemInstruction": {"parts": {"text": "Be brief."}}, "tools": None}
    (said,) = decode_client(json.dumps(setup(**text)))
    assert isinstance(said, Setup)
    assert said.fields["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert "tools" not in said.fields


def test_an_int64_may_be_a_string_and_an_enum_a_number() -> None:
    (said,) = decode_client(
        json.dumps(
            setup(
                contextWindowCompression={"triggerTokens": "100000"},
                generationConfig={"mediaResolution": 2, "maxOutputTokens": 16.0, "topK": "40"},
            )
        )
    )
    assert isinstance(said, Setup)
    assert said.fields["contextWindowCompression"] == {"triggerTokens": 100_000}
    assert said.fields["generationConfig"] == {
        "mediaResolution": "MEDIA_RESOLUTION_MEDIUM",
        "maxOutputTokens": 16,
        "topK": 40.0,
    }


def test_names_inside_a_struct_and_a_map_are_left_alone() -> None:
    response = {"turn_count": 1, "turnCount": None, "nested": [{"a_b": 2}]}
    frame = {"toolResponse": {"functionResponses": [{"id": "1", "response": response}]}}
    (said,) = decode_client(json.dumps(frame))
    assert said == ToolResponse((FunctionResponse("1", "", response),))
    declared = {"name": "f", "parameters": {"type": "object", "properties": {"snake_case": {}}}}
    (said,) = decode_client(json.dumps(setup(tools=[{"functionDeclarations": [declared]}])))
    assert isinstance(said, Setup)
    parameters = said.fields["tools"][0]["functionDeclarations"][0]["parameters"]
    assert parameters == {"type": "OBJECT", "properties": {"snake_case": {}}}


@pytest.mark.parametrize(
    "message",
    [
        Setup({"model": "models/gemini-3.8-live", "inputAudioTranscription": {}}),
        RealtimeAudio(PCM),
        RealtimeAudio(PCM, 48_000),
        RealtimeVideo(b"\xff\xd8", "image/jpeg"),
        RealtimeText("Grüß dich 😀"),
        AudioStreamEnd(),
        ActivityStart(),
        ActivityEnd(),
        ClientContent((Content("user", (TextPart("hi"), BlobPart(b"1", "image/png"))),), True),
        ClientContent((), False),
        ToolResponse((FunctionResponse("1", "f", {"output": 3}, "WHEN_IDLE", False),)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_the_gateways_own_codec_writes_is_read_as_it_was_meant(message: Any) -> None:
    assert decode_client(encode_client(message)) == (message,)


# -- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (setup(foo=1), UNKNOWN + " \"foo\" at 'setup': Cannot find field."),
        ({"foo": {}}, UNKNOWN + ' "foo": Cannot find field.'),
        (
            setup(generationConfig={"x": 1}),
            UNKNOWN + " \"x\" at 'setup.generation_config': Cannot find field.",
        ),
        (
            setup(enableAffectiveDialog=True),
            UNKNOWN + " \"enableAffectiveDialog\" at 'setup': Cannot find field.",
        ),
        (
            setup(tools=[{}, {"functionDeclarations": [{"name": "f", "strict": True}]}]),
            UNKNOWN
            + " \"strict\" at 'setup.tools[1].function_declarations[0]': Cannot find field.",
        ),
        (
            {"realtimeInput": {"audio": [{"data": ""}]}},
            UNKNOWN
            + " \"audio\" at 'realtime_input': Proto field is not repeating, cannot start list.",
        ),
        (
            setup(generationConfig={"responseModalities": ["VOICE"]}),
            "Invalid value at 'setup.generation_config.response_modalities[0]' "
            '(type.googleapis.com/google.ai.generativelanguage.v1beta.Modality), "VOICE"',
        ),
        (
            {"toolResponse": {"functionResponses": [{"id": "1", "scheduling": "INTERRUPTED"}]}},
            "Invalid value at 'tool_response.function_responses[0].scheduling' "
            "(type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionResponseScheduling), "
            '"INTERRUPTED"',
        ),
        (
            setup(generationConfig={"temperature": "warm"}),
            "Invalid value at 'setup.generation_config.temperature' (TYPE_FLOAT), \"warm\"",
        ),
        (setup(model=5), "Invalid value at 'setup.model' (TYPE_STRING), 5"),
        (
            {"clientContent": {"turnComplete": "yes"}},
            "Invalid value at 'client_content.turn_complete' (TYPE_BOOL), \"yes\"",
        ),
        (
            {"realtimeInput": {"audio": {"data": "!!", "mimeType": "audio/pcm"}}},
            "Invalid value at 'realtime_input.audio.data' (TYPE_BYTES), \"!!\"",
        ),
        ({"setup": "x"}, "Invalid value at 'setup' (type.googleapis.com/google.ai."),
        (
            {"setup": {}, "realtimeInput": {}},
            "Invalid value (oneof), oneof field 'message' is already set. "
            "Cannot set 'realtimeInput'",
        ),
        (
            {"clientContent": {"turns": [{"parts": [{"text": "a", "inlineData": {}}]}]}},
            "Invalid value at 'client_content.turns[0].parts[0]' (oneof), oneof field 'data'",
        ),
        ("[]", "Invalid JSON payload received. Root element must be a message."),
        ("{", "Invalid JSON payload received. Unexpected token."),
        ('{"setup": {"model": NaN}}', "Invalid JSON payload received. Unexpected token."),
        ('{"setup": {"model": "\\ud800"}}', "Invalid JSON payload received. Unexpected token."),
        (b"\xff", "Invalid JSON payload received. Unexpected token."),
        ("[" * 100_000, "Invalid JSON payload received. Unexpected token."),
        (
            '{"setup": {"labels": ' + "[" * 150 + "]" * 150 + "}}",
            "Invalid JSON payload received. Message too deep.",
        ),
        ({}, INVALID_ARGUMENT),
    ],
)
def test_a_malformed_message_is_refused_in_the_services_own_words(
    message: Any, reason: str
) -> None:
    assert refusal(message).startswith(cut(reason))


def test_the_packages_of_enum_types_are_those_of_the_service() -> None:
    reason = refusal(setup(generationConfig={"responseModalities": ["VOICE"]}), "vertex")
    assert "google.cloud.aiplatform.v1beta1" in reason


@pytest.mark.parametrize(
    "message",
    [
        {"clientContent": {"turns": [{"parts": [{"text": "hi"}]}], "turnComplete": True}},
        {"clientContent": {"turns": [{"role": "assistant", "parts": [{"text": "hi"}]}]}},
        {"clientContent": {"turns": [{"role": "system", "parts": [{"text": "hi"}]}]}},
        {"clientContent": {"turns": [{"role": "user", "parts": []}]}},
        {"clientContent": {"turns": [{"role": "user", "parts": [{"functionCall": {}}]}]}},
        {"toolResponse": {"functionResponses": [{"name": "f", "response": {}}]}},
        {"toolResponse": {}},
        {"realtimeInput": {"audio": {"data": "", "mimeType": "audio/opus"}}},
        {"realtimeInput": {"audio": {"data": "", "mimeType": "audio/pcm;rate=1"}}},
        {"realtimeInput": {"audio": {"data": "", "mimeType": "audio/pcm;rate=²"}}},
        {"realtimeInput": {"audio": {"data": ""}}},
        {"realtimeInput": {"video": {"data": "", "mimeType": "video/mp4"}}},
    ],
)
def test_a_readable_message_that_cannot_be_is_an_invalid_argument(message: Any) -> None:
    assert refusal(message) == INVALID_ARGUMENT


def test_vertex_takes_a_system_turn_as_new_instructions_and_responses_without_id() -> None:
    turns = [{"role": "system", "parts": [{"text": "Be kind."}]}]
    said = decode_client(json.dumps({"clientContent": {"turns": turns}}), "vertex")
    assert said == (ContextUpdate("Be kind."), ClientContent((), False))
    frame = json.dumps({"toolResponse": {"functionResponses": [{"name": "f", "response": {}}]}})
    assert decode_client(frame, "vertex") == (ToolResponse((FunctionResponse(None, "f", {}),)),)


def test_a_context_update_leaves_unset_what_it_does_not_name() -> None:
    frame = json.dumps({"contextUpdate": {"tools": {}}})
    assert decode_client(frame) == (ContextUpdate(None, []),)
    frame = json.dumps({"contextUpdate": {"systemInstruction": {"parts": [{"text": "x"}]}}})
    assert decode_client(frame) == (ContextUpdate("x", None),)


@pytest.mark.parametrize(
    ("message", "at_home", "abroad"),
    [
        (setup(explicitVadSignal=True), "vertex", "dev"),
        (setup(sessionResumption={"transparent": True}), "vertex", "dev"),
        (setup(enableSpeechToSpeechTranslation=True), "vertex", "dev"),
        (setup(tools=[{"fileSearch": {}}]), "dev", "vertex"),
        (
            {"toolResponse": {"functionResponses": [{"id": "1", "willContinue": False}]}},
            "dev",
            "vertex",
        ),
    ],
)
def test_a_field_of_one_service_is_unknown_to_the_other(
    message: Any, at_home: Service, abroad: Service
) -> None:
    decode_client(json.dumps(message), at_home)
    assert refusal(message, abroad).startswith(UNKNOWN)


def test_what_vertex_is_not_sure_to_have_can_be_switched_off() -> None:
    without = Switches(
        vertex_realtime_text=False,
        vertex_history_config=False,
        vertex_labels=False,
        vertex_non_blocking=False,
        vertex_transcription_options=False,
    )
    messages = [
        {"realtimeInput": {"text": "hi"}},
        setup(historyConfig={}),
        setup(labels={"a": "b"}),
        setup(tools=[{"functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING"}]}]),
        {"toolResponse": {"functionResponses": [{"scheduling": "SILENT"}]}},
        setup(inputAudioTranscription={"languageCodes": ["de"]}),
    ]
    switched_on = Switches(vertex_history_config=True)
    absent = without.absent("vertex")
    for message in messages:
        assert refusal(message, "vertex", absent=absent).startswith(UNKNOWN)
        decode_client(json.dumps(message), "vertex", absent=switched_on.absent("vertex"))
    assert without.absent("dev") == frozenset()
    decode_client(json.dumps(setup(inputAudioTranscription={})), "vertex", absent=absent)


def test_unknown_names_are_passed_over_when_not_strict() -> None:
    frame = json.dumps({"later": 1, "setup": {"model": "m", "x": {"y": 1}}})
    assert decode_client(frame, strict=False) == (Setup({"model": "m"}),)
    assert decode_client('{"later": 1}', strict=False) == ()


def test_several_fields_of_one_realtime_input_come_in_the_order_to_act_on() -> None:
    audio = {"data": "AAA=", "mimeType": "audio/pcm"}
    frame = {"activityEnd": {}, "audio": audio, "activityStart": {}, "text": "hi"}
    said = decode_client(json.dumps({"realtimeInput": frame}))
    assert said == (ActivityStart(), RealtimeAudio(b"\0\0"), RealtimeText("hi"), ActivityEnd())
    assert refusal({"realtimeInput": frame}, several=False) == INVALID_ARGUMENT
    assert decode_client('{"realtimeInput": {"audioStreamEnd": false}}') == ()


def test_a_reason_is_cut_between_characters() -> None:
    assert cut("x" * 500) == "x" * REASON_BYTES
    assert cut("x" * 122 + "é") == "x" * 122
    assert len(refusal(setup(**{"é" * 100: 1})).encode()) <= REASON_BYTES


# -- properties ----------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@st.composite
def _shaped(draw: st.DrawFn, kind: str = ROOT, depth: int = 0) -> Any:
    """Mostly a message of this kind, with something else in it here and there."""
    message: dict[str, Any] = {}
    if not BY_NAME[kind]:
        return message
    names = st.sampled_from(sorted(BY_NAME[kind]))
    for name in draw(st.lists(names, max_size=1 if kind == ROOT else 4)):
        field = BY_NAME[kind][name]
        if draw(st.integers(0, 9)) == 0 or depth > 6:
            value = draw(_json)
        elif field.type in MESSAGES:
            value = draw(_shaped(field.type, depth + 1))
        elif field.type in ENUMS:
            value = draw(st.sampled_from(ENUMS[field.type]))
        else:
            value = draw(_json)
        message[name] = [value] if field.many == "list" else value
    return message


@given(st.text() | st.binary() | _json.map(json.dumps) | _shaped().map(json.dumps))
@settings(max_examples=400, deadline=None)
def test_anything_is_read_or_refused_with_a_code_and_a_reason(frame: str | bytes) -> None:
    for service in typing.get_args(Service):
        try:
            said = decode_client(frame, service)
        except Refusal as refused:
            assert refused.code == 1007
            assert 0 < len(refused.reason.encode()) <= REASON_BYTES
        else:
            assert isinstance(said, tuple)


@given(_shaped().map(json.dumps))
@settings(max_examples=200, deadline=None)
def test_what_was_read_is_read_again_the_same(frame: str) -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list) else value

    try:
        message = read(frame, "dev")
    except Refusal:
        return
    assert read(json.dumps(plain(message)), "dev") == message


# -- against the official SDK --------------------------------------------------------------

# Table name to SDK type, where they differ.
_SDK_NAMES = {
    "BidiGenerateContentClientMessage": "LiveClientMessage",
    "BidiGenerateContentSetup": "LiveClientSetup",
    "BidiGenerateContentClientContent": "LiveClientContent",
    "BidiGenerateContentRealtimeInput": "LiveClientRealtimeInput",
    "BidiGenerateContentToolResponse": "LiveClientToolResponse",
    "BidiGenerateContentContextUpdate": "LiveClientContextUpdate",
    "ContextUpdateTools": "LiveClientContextUpdateTools",
    "RoutingConfig": "GenerationConfigRoutingConfig",
    "CodeExecution": "ToolCodeExecution",
    "ParallelAiSearch": "ToolParallelAiSearch",
    "ExaAiSearch": "ToolExaAiSearch",
    "DataStoreSpec": "VertexAISearchDataStoreSpec",
    "RagFilter": "RagRetrievalConfigFilter",
    "RagHybridSearch": "RagRetrievalConfigHybridSearch",
    "RagRanking": "RagRetrievalConfigRanking",
    "RagResource": "VertexRagStoreRagResource",
}
# Fields that only a raw WebSocket can send, or that the SDK keeps in another type.
_NOT_IN_SDK = {
    "LiveClientSetup": {"realtimeInputConfig", "enableSpeechToSpeechTranslation"},
    "LiveClientRealtimeInput": {"media"},
    "GenerationConfig": {"inputAudioTranscription", "outputAudioTranscription"},
}
# The service closes with 1007 over these.
_REFUSED = {"Schema": {"additionalProperties"}}


def _sdk_type(message: str) -> type[pydantic.BaseModel] | None:
    return getattr(types, _SDK_NAMES.get(message, message), None)


def _alias(name: str) -> str:
    return re.sub("_([a-z0-9])", lambda match: match[1].upper(), name)


def test_every_message_has_the_fields_the_official_sdk_gives_it() -> None:
    compared = 0
    for message, fields in MESSAGES.items():
        sdk = _sdk_type(message)
        if sdk is None:
            continue
        compared += 1
        theirs = {field.alias or _alias(name) for name, field in sdk.model_fields.items()}
        theirs -= _REFUSED.get(sdk.__name__, set())
        ours = {field.name for field in fields} - _NOT_IN_SDK.get(sdk.__name__, set())
        assert ours == theirs, message
    assert compared > 80


def test_every_enum_has_the_values_the_official_sdk_gives_it() -> None:
    compared = 0
    for name, values in ENUMS.items():
        sdk = getattr(types, name, None)
        if isinstance(sdk, type) and issubclass(sdk, enum.Enum):
            compared += 1
            assert set(values) == {member.value for member in sdk}, name
    assert compared > 25


def test_the_tables_name_only_types_that_are_there() -> None:
    for message, fields in MESSAGES.items():
        for field in fields:
            known = {*SCALARS, *ENUMS, *MESSAGES}
            assert field.type in known, f"{message}.{field.name}"

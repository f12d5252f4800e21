"""Frames of the service: the samples, the tolerances one by one, and anything at all."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RemoteProtocolError
from gateway.live.decoder import decode_server
from gateway.live.messages import (
    AudioChunk,
    CodeResult,
    ExecutableCode,
    FunctionCall,
    GenerationComplete,
    GoAway,
    Grounding,
    Interrupted,
    LiveEvent,
    SessionResumptionUpdate,
    SetupComplete,
    TextChunk,
    TokenDetail,
    ToolCall,
    ToolCallCancellation,
    Transcription,
    TurnComplete,
    Unknown,
    UrlContext,
    Usage,
    VoiceActivity,
)
from tests.gateway.live.samples import SERVER_NAMES, server_frame

pytestmark = pytest.mark.unit

PCM = bytes.fromhex("0000ff7f00800100")

SAMPLES: dict[str, tuple[LiveEvent, ...]] = {
    "setup-complete": (SetupComplete(None),),
    "setup-complete-session-id": (SetupComplete("test_session_id"),),
    "empty": (),
    "audio": (AudioChunk(PCM, 24_000),),
    "audio-bare-mime": (AudioChunk(b"000000", 24_000),),
    "text": (TextChunk("test", thought=False),),
    "thought": (TextChunk("The user greets me.", thought=True),),
    "input-transcription": (Transcription("user", "test_input", finished=True),),
    "output-transcription": (Transcription("model", "test_output", finished=False),),
    "interim-transcription": (Transcription("user", " what is", interim=True, language="en-US"),),
    "transcriptions-top-level": (
        Transcription("user", "test_input"),
        Transcription("model", "test_output", finished=True),
    ),
    "generation-complete": (GenerationComplete(),),
    "interrupted": (Interrupted(),),
    "turn-complete-usage-dev": (
        Usage(
            prompt_tokens=310,
            output_tokens=52,
            total_tokens=362,
            details=(
                TokenDetail("prompt", "TEXT", 10),
                TokenDetail("prompt", "AUDIO", 300),
                TokenDetail("output", "AUDIO", 52),
            ),
        ),
        TurnComplete(),
    ),
    "turn-complete-usage-vertex": (
        Usage(
            prompt_tokens=310,
            output_tokens=52,
            total_tokens=362,
            details=(TokenDetail("prompt", "AUDIO", 300), TokenDetail("output", "AUDIO", 52)),
        ),
        TurnComplete(),
    ),
    "turn-complete-in-progress": (TurnComplete(interaction_status="IN_PROGRESS"),),
    "turn-complete-reason": (TurnComplete("NEED_MORE_INPUT", waiting_for_input=True),),
    "text-turn-usage-grounding": (
        TextChunk("This is a simple response."),
        Grounding(
            {
                "web_search_queries": ["test query"],
                "groundingChunks": [{"web": {"domain": "google.com", "title": "Search results"}}],
            }
        ),
        Usage(
            prompt_tokens=15,
            output_tokens=25,
            total_tokens=200,
            details=(TokenDetail("output", "TEXT", 20),),
        ),
        TurnComplete(),
    ),
    "bundle": (
        AudioChunk(PCM[:4]),
        Transcription("model", "Yes."),
        GenerationComplete(),
        Usage(total_tokens=7),
        TurnComplete(),
    ),
    "tool-call": (ToolCall((FunctionCall("call_1", "f", {}),)),),
    "tool-call-without-id": (
        ToolCall(
            (FunctionCall(None, "get_current_weather", {"location": "San Francisco", "unit": "C"}),)
        ),
    ),
    "tool-call-cancellation": (ToolCallCancellation(("call_1",)),),
    "go-away": (GoAway(50.0),),
    "session-resumption-update": (SessionResumptionUpdate("test_handle", True, 42),),
    "session-resumption-update-quoted": (SessionResumptionUpdate("test_handle", True, 123456789),),
    "session-resumption-update-not-resumable": (SessionResumptionUpdate("", False),),
    "voice-activity": (VoiceActivity(True, 1.2),),
    "vad-signal": (VoiceActivity(True),),
    "code": (ExecutableCode("print(1)", "PYTHON"), CodeResult("OUTCOME_OK", "1\n")),
    "url-context": (
        UrlContext(
            {
                "urlMetadata": [
                    {
                        "retrievedUrl": "https://example.com",
                        "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS",
                    }
                ]
            }
        ),
    ),
}


def decode(message: Any) -> tuple[LiveEvent, ...]:
    return decode_server(json.dumps(message))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_means_what_its_source_says(name: str) -> None:
    assert decode_server(server_frame(name)) == SAMPLES[name]
    assert decode_server(server_frame(name).decode()) == SAMPLES[name]  # as a text frame


def test_every_sample_has_its_row() -> None:
    assert {f"server-{name}" for name in SAMPLES} == set(SERVER_NAMES)


def test_every_event_is_in_a_sample() -> None:
    seen = {type(event) for events in SAMPLES.values() for event in events}
    assert seen == set(get_args(LiveEvent)) - {Unknown}


# -- the order within a frame ------------------------------------------------------------


def test_what_was_said_comes_before_what_ends_it() -> None:
    everything = {
        "surprise": 1,
        "goAway": {"timeLeft": "1s"},
        "sessionResumptionUpdate": {"newHandle": "h", "resumable": True},
        "usageMetadata": {"totalTokenCount": 1},
        "toolCallCancellation": {"ids": ["a"]},
        "toolCall": {"functionCalls": [{"name": "f"}]},
        "voiceActivity": {"type": "ACTIVITY_END"},
        "serverContent": {
            "turnComplete": True,
            "interrupted": True,
            "generationComplete": True,
            "outputTranscription": {"text": "o"},
            "inputTranscription": {"text": "i"},
            "interimInputTranscription": {"text": "p"},
            "groundingMetadata": {},
            "modelTurn": {"parts": [{"text": "t"}, {"inlineData": _audio_blob()}]},
        },
        "setupComplete": {},
    }
    assert [type(event) for event in decode(everything)] == [
        SetupComplete,
        VoiceActivity,
        TextChunk,
        AudioChunk,
        Grounding,
        Transcription,
        Transcription,
        Transcription,
        ToolCall,
        ToolCallCancellation,
        GenerationComplete,
        Interrupted,
        Usage,
        TurnComplete,
        SessionResumptionUpdate,
        GoAway,
        Unknown,
    ]


# -- tolerances --------------------------------------------------------------------------


def _audio_blob(mime_type: str = "audio/pcm;rate=24000", pcm: bytes = PCM) -> dict[str, str]:
    return {"mimeType": mime_type, "data": base64.b64encode(pcm).decode()}


def _part(part: Any) -> dict[str, Any]:
    return {"serverContent": {"modelTurn": {"parts": [part]}}}


def test_snake_case_is_read_like_camel_case_at_every_level() -> None:
    blob = {"mime_type": "audio/pcm;rate=24000", "data": base64.b64encode(PCM).decode()}
    message = {
        "server_content": {
            "model_turn": {"parts": [{"inline_data": blob}]},
            "output_transcription": {"text": "a", "language_code": "de-DE"},
            "turn_complete": True,
            "turn_complete_reason": "INPUT_OTHER",
        },
        "usage_metadata": {"prompt_token_count": 3, "cached_content_token_count": "2"},
    }
    assert decode(message) == (
        AudioChunk(PCM),
        Transcription("model", "a", language="de-DE"),
        Usage(prompt_tokens=3, cached_tokens=2),
        TurnComplete("INPUT_OTHER"),
    )


@pytest.mark.parametrize(
    ("mime_type", "rate_hz"),
    [
        ("audio/pcm", 24_000),
        ("audio/pcm;rate=24000", 24_000),
        ("audio/pcm; rate=16000", 16_000),
        ("Audio/PCM;Rate=48000", 48_000),
        ("audio/pcm;channels=1;rate=8000", 8_000),
        ("audio/L16;codec=pcm;rate=24000", 24_000),
        ("audio/pcm;", 24_000),
    ],
)
def test_the_rate_of_audio_is_in_its_mime_type(mime_type: str, rate_hz: int) -> None:
    assert decode(_part({"inlineData": _audio_blob(mime_type)})) == (AudioChunk(PCM, rate_hz),)


@pytest.mark.parametrize("mime_type", ["video/mp4", "audio/mpeg", "image/png", "audio/pcmu", ""])
def test_other_media_are_unknown_and_no_audio(mime_type: str) -> None:
    (event,) = decode(_part({"inlineData": _audio_blob(mime_type)}))
    assert event == Unknown(("serverContent.modelTurn.parts[0].inlineData.mimeType",))


@pytest.mark.parametrize("data", ["-_-_", "+/+/"])
def test_both_alphabets_of_base64_are_read(data: str) -> None:
    events = decode(_part({"inlineData": {"mimeType": "audio/pcm", "data": data + "AAA="}}))
    assert events == (AudioChunk(b"\xfb\xff\xbf\0"),)


def test_base64_may_lack_its_padding() -> None:
    part = {"inlineData": {"mimeType": "audio/pcm", "data": "AAA"}}
    assert decode(_part(part)) == (AudioChunk(b"\0\0"),)


def test_half_a_sample_at_the_end_of_a_chunk_is_no_sound() -> None:
    assert decode(_part({"inlineData": _audio_blob(pcm=PCM + b"\x01")})) == (AudioChunk(PCM),)
    assert decode(_part({"inlineData": _audio_blob(pcm=b"\x01")})) == ()


@pytest.mark.parametrize(
    ("time_left", "seconds"),
    [("9.5s", 9.5), ("300s", 300.0), ("0s", 0.0), (50, 50.0), (0.5, 0.5), (None, None)],
)
def test_durations_are_text_or_numbers(time_left: object, seconds: float | None) -> None:
    assert decode({"goAway": {"timeLeft": time_left}}) == (GoAway(seconds),)


@pytest.mark.parametrize("index", ["42", 42, 42.0])
def test_an_int64_is_text_or_a_number(index: object) -> None:
    update = {"newHandle": "h", "resumable": True, "lastConsumedClientMessageIndex": index}
    assert decode({"sessionResumptionUpdate": update}) == (SessionResumptionUpdate("h", True, 42),)


def test_null_means_not_there() -> None:
    message = {
        "setupComplete": None,
        "usageMetadata": None,
        "serverContent": {"interrupted": None, "modelTurn": None, "turnComplete": True},
    }
    assert decode(message) == (TurnComplete(),)


def test_transcriptions_say_nothing_when_they_are_empty() -> None:
    assert decode({"serverContent": {"inputTranscription": {}}}) == ()
    assert decode({"serverContent": {"inputTranscription": {"finished": True}}}) == (
        Transcription("user", "", finished=True),
    )


def test_a_voice_activity_has_two_names_for_its_type() -> None:
    assert decode({"voiceActivity": {"voiceActivityType": "ACTIVITY_END"}}) == (
        VoiceActivity(False),
    )
    signal = {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_EOS"}}
    assert decode(signal) == (VoiceActivity(False),)


def test_half_a_surrogate_pair_does_not_reach_the_client() -> None:
    frame = r'{"serverContent": {"outputTranscription": {"text": "a\ud800b \ud83d\ude00"}}}'
    (event,) = decode_server(frame)
    assert event == Transcription("model", "a?b \N{GRINNING FACE}")


# -- what nobody knows -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ({"shinyNew": 1}, "shinyNew"),
        ({"shiny_new": {}}, "shinyNew"),
        ({"serverContent": {"shinyNew": 1}}, "serverContent.shinyNew"),
        (_part({"functionCall": {}}), "serverContent.modelTurn.parts[0].functionCall"),
        ({"goAway": {"why": "x"}}, "goAway.why"),
        ({"toolCall": {"functionCalls": [{"name": "f", "x": 1}]}}, "toolCall.functionCalls[0].x"),
        ({"voiceActivity": {"type": "ACTIVITY_PAUSE"}}, "voiceActivity.type"),
        ({"serverContent": {"waitingForInput": True}}, "serverContent.waitingForInput"),
        ({"a b\n": 1}, "'a b\\n'"),
        ({"x" * 99: 1}, repr("x" * 64)),
    ],
)
def test_unknown_fields_are_named_and_no_error(message: Any, path: str) -> None:
    events = decode(message)
    assert events[-1] == Unknown((path,))
    assert not any(isinstance(event, Unknown) for event in events[:-1])


def test_a_flood_of_unknown_fields_is_cut() -> None:
    (event,) = decode({f"new{number}": 0 for number in range(1000)})
    assert isinstance(event, Unknown)
    assert len(event.keys) == 16


# -- what cannot be ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("{} {}", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        ('{"a": NaN}', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"goAway": {"timeLeft": ' + "9" * 5000 + "}}", "not JSON"),
        ("[]", "not this array"),
        ("null", "not this null"),
        ("3", "not this number"),
        ('"secret"', "not this string"),
        ("true", "not this boolean"),
    ],
)
def test_a_frame_must_be_a_json_object(frame: str | bytes, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        decode_server(frame)


SECRET = "what the caller said"


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ({"serverContent": SECRET}, "serverContent"),
        ({"serverContent": {"modelTurn": [SECRET]}}, "serverContent.modelTurn"),
        ({"serverContent": {"modelTurn": {"parts": {SECRET: 1}}}}, "serverContent.modelTurn.parts"),
        (_part(SECRET), "serverContent.modelTurn.parts[0]"),
        (_part({"text": [SECRET]}), "serverContent.modelTurn.parts[0].text"),
        (_part({"thought": SECRET}), "serverContent.modelTurn.parts[0].thought"),
        (
            _part({"inlineData": {"mimeType": "audio/pcm", "data": SECRET}}),
            "serverContent.modelTurn.parts[0].inlineData.data",
        ),
        (
            _part({"inlineData": {"mimeType": "audio/pcm", "data": 7}}),
            "serverContent.modelTurn.parts[0].inlineData.data",
        ),
        (
            _part({"inlineData": _audio_blob("audio/pcm;rate=0")}),
            "serverContent.modelTurn.parts[0].inlineData.mimeType",
        ),
        ({"serverContent": {"interrupted": 1}}, "serverContent.interrupted"),
        ({"serverContent": {"turnComplete": SECRET}}, "serverContent.turnComplete"),
        (
            {"serverContent": {"turnComplete": True, "turnCompleteReason": True}},
            "serverContent.turnCompleteReason",
        ),
        (
            {"serverContent": {"inputTranscription": {"text": 1}}},
            "serverContent.inputTranscription.text",
        ),
        ({"serverContent": {"groundingMetadata": SECRET}}, "serverContent.groundingMetadata"),
        ({"toolCall": {"functionCalls": [{"args": {}}]}}, "toolCall.functionCalls[0].name"),
        (
            {"toolCall": {"functionCalls": [{"name": "f", "args": [SECRET]}]}},
            "toolCall.functionCalls[0].args",
        ),
        ({"toolCallCancellation": {"ids": [3]}}, "toolCallCancellation.ids"),
        ({"toolCallCancellation": {"ids": SECRET}}, "toolCallCancellation.ids"),
        ({"goAway": {"timeLeft": SECRET}}, "goAway.timeLeft"),
        ({"goAway": {"timeLeft": True}}, "goAway.timeLeft"),
        ({"usageMetadata": {"totalTokenCount": SECRET}}, "usageMetadata.totalTokenCount"),
        ({"usageMetadata": {"totalTokenCount": 1.5}}, "usageMetadata.totalTokenCount"),
        ({"usageMetadata": {"totalTokenCount": 2**63}}, "usageMetadata.totalTokenCount"),
        ({"usageMetadata": {"totalTokenCount": True}}, "usageMetadata.totalTokenCount"),
        (
            {"usageMetadata": {"promptTokensDetails": [{"modality": 2**70}]}},
            "usageMetadata.promptTokensDetails[0].modality",
        ),
        ({"setupComplete": {"sessionId": 1}}, "setupComplete.sessionId"),
        ({"sessionResumptionUpdate": {"resumable": 1}}, "sessionResumptionUpdate.resumable"),
    ],
)
def test_a_field_of_an_impossible_type_is_named_without_its_content(
    message: Any, path: str
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(message)
    assert str(caught.value).startswith(f"{path} ")
    assert SECRET not in str(caught.value)


def test_an_enumerator_may_be_a_number() -> None:
    content = {"turnComplete": True, "turnCompleteReason": 3}
    assert decode({"serverContent": content}) == (TurnComplete("3"),)


# -- anything at all ---------------------------------------------------------------------

_NAMES = st.sampled_from(
    """setupComplete serverContent modelTurn parts inlineData data mimeType text thought
    executableCode code codeExecutionResult inputTranscription output_transcription finished
    turnComplete interrupted generationComplete usageMetadata promptTokenCount ids timeLeft
    promptTokensDetails tokenCount toolCall functionCalls name args toolCallCancellation goAway
    sessionResumptionUpdate newHandle resumable lastConsumedClientMessageIndex voiceActivity type
    audioOffset groundingMetadata urlContextMetadata""".split()
)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["9s", "AAAA", "audio/pcm", "ACTIVITY_START", "true", "7"])
)
JSON = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_NAMES | st.text(), inner, max_size=6)
    ),
    max_leaves=30,
)


def _decodes_or_says_why(frame: str | bytes) -> None:
    try:
        events = decode_server(frame)
    except RemoteProtocolError as error:
        assert str(error).isascii()
        assert len(str(error)) < 1000
    else:
        assert all(isinstance(event, get_args(LiveEvent)) for event in events)
        for event in events:
            str(event).encode()  # fit for UTF-8


@given(JSON)
def test_any_json_gives_events_or_a_remote_protocol_error(value: Any) -> None:
    _decodes_or_says_why(json.dumps(value))


@given(st.binary() | st.text())
def test_any_frame_gives_events_or_a_remote_protocol_error(frame: str | bytes) -> None:
    _decodes_or_says_why(frame)


@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_damaged_samples_give_events_or_a_remote_protocol_error(
    name: str, data: st.DataObject
) -> None:
    frame = bytearray(server_frame(name))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not frame:
            break
    _decodes_or_says_why(bytes(frame))


@given(st.sampled_from(sorted(SAMPLES)), st.data(), JSON)
def test_samples_with_a_value_replaced_give_events_or_a_remote_protocol_error(
    name: str, data: st.DataObject, value: Any
) -> None:
    node = message = json.loads(server_frame(name))
    while isinstance(node, dict | list) and node:
        keys = sorted(node) if isinstance(node, dict) else range(len(node))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or data.draw(st.booleans()):
            node[key] = value
            break
        node = node[key]
    _decodes_or_says_why(json.dumps(message))

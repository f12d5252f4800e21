"""What the client says, against what the official SDK puts on the wire."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.live.codec import encode_audio, encode_client
from gateway.live.messages import (
    ActivityEnd,
    ActivityStart,
    AudioStreamEnd,
    BlobPart,
    ClientContent,
    ClientMessage,
    Content,
    FunctionResponse,
    RealtimeAudio,
    RealtimeText,
    RealtimeVideo,
    Setup,
    TextPart,
    ToolResponse,
)
from tests.gateway.live.samples import client_message

pytestmark = pytest.mark.unit

MESSAGES: dict[str, ClientMessage] = {
    "audio": RealtimeAudio(bytes(range(240, 256)) * 2),
    "video": RealtimeVideo(b"\xff\xd8\xff\xe0"),
    "text": RealtimeText("Hello, Grüße"),
    "activity-start": ActivityStart(),
    "activity-end": ActivityEnd(),
    "audio-stream-end": AudioStreamEnd(),
    "client-content": ClientContent(
        (
            Content("user", (TextPart("Hi"), BlobPart(b"\xfb\xef\xbe", "image/png"))),
            Content("model", (TextPart("Hello"),)),
        )
    ),
    "client-content-vertex": ClientContent(
        (
            Content("user", (TextPart("Hi"), BlobPart(b"\xfb\xef\xbe", "image/png"))),
            Content("model", (TextPart("Hello"),)),
        )
    ),
    "turn-complete": ClientContent(),
    "tool-response": ToolResponse(
        (FunctionResponse("call_1", "get_x", {"result": "ok"}, scheduling="WHEN_IDLE"),)
    ),
}


def encoded(message: ClientMessage) -> Any:
    return json.loads(encode_client(message))


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_says_the_same_as_the_sdk(name: str) -> None:
    assert encoded(MESSAGES[name]) == client_message(name)


def test_messages_are_in_camel_case_and_standard_base64() -> None:
    text = encode_client(ClientContent((Content("user", (BlobPart(b"\xfb\xef\xbe", "a/b"),)),)))
    assert '"clientContent"' in text
    assert '"inlineData":{"mimeType":"a/b","data":"++++"}' in text


def test_a_set_up_is_sent_as_it_is() -> None:
    assert encoded(Setup({"model": "models/m"})) == {"setup": {"model": "models/m"}}


def test_a_turn_may_be_left_open() -> None:
    assert encoded(ClientContent((), turn_complete=False)) == {
        "clientContent": {"turnComplete": False}
    }


def test_a_response_to_a_call_without_id_has_none() -> None:
    (answer,) = encoded(ToolResponse((FunctionResponse(None, "f", {}),)))["toolResponse"][
        "functionResponses"
    ]
    assert answer == {"name": "f", "response": {}}


def test_a_response_may_announce_another() -> None:
    text = encode_client(ToolResponse((FunctionResponse("1", "f", {}, will_continue=False),)))
    assert '"willContinue":false' in text


@given(st.binary(min_size=1, max_size=80).map(lambda half: half * 2), st.integers(8000, 48000))
def test_audio_joined_from_strings_is_the_json_it_stands_for(pcm: bytes, rate_hz: int) -> None:
    assert json.loads(encode_audio(pcm, rate_hz)) == {
        "realtimeInput": {
            "audio": {
                "mimeType": f"audio/pcm;rate={rate_hz}",
                "data": base64.b64encode(pcm).decode(),
            }
        }
    }


@pytest.mark.parametrize("pcm", [b"", b"\0", b"\0\0\0"])
def test_audio_is_whole_samples(pcm: bytes) -> None:
    with pytest.raises(LocalProtocolError, match=f"{len(pcm)} bytes"):
        encode_client(RealtimeAudio(pcm))


@pytest.mark.parametrize(
    "turn",
    [Content("user", ()), Content("system", (TextPart("x"),))],  # type: ignore[arg-type]
)
def test_a_turn_that_would_cost_the_session_is_not_sent(turn: Content) -> None:
    with pytest.raises(LocalProtocolError, match="role user or model"):
        encode_client(ClientContent((turn,)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1, 2}, object()])
def test_what_json_cannot_hold_is_not_sent(value: object) -> None:
    with pytest.raises(LocalProtocolError, match="ToolResponse does not fit into JSON"):
        encode_client(ToolResponse((FunctionResponse("1", "f", {"x": value}),)))


@given(st.text(st.characters()))
@example("half a pair: \ud800")
def test_any_text_makes_a_frame_in_utf_8(text: str) -> None:
    frame = encode_client(RealtimeText(text)).encode()
    sent = json.loads(frame)["realtimeInput"]["text"]
    assert sent == text.encode("utf-8", "replace").decode()

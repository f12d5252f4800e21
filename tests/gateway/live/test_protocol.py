"""One live session without a socket: tables of calls and what comes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.live.messages import (
    ActivityEnd,
    ActivityStart,
    AudioChunk,
    AudioStreamEnd,
    Content,
    GoAway,
    Interrupted,
    RealtimeText,
    Setup,
    SetupComplete,
    TextPart,
    TurnComplete,
)
from gateway.live.protocol import LiveProtocol

pytestmark = pytest.mark.unit

_BLOB = {"mimeType": "audio/pcm", "data": "AAA="}
AUDIO = {"serverContent": {"modelTurn": {"parts": [{"inlineData": _BLOB}]}}}
TEXT = {"serverContent": {"modelTurn": {"parts": [{"text": "a"}]}}}
MODEL_TRANSCRIPT = {"serverContent": {"outputTranscription": {"text": "a"}}}
USER_TRANSCRIPT = {"serverContent": {"inputTranscription": {"text": "a"}}}
GENERATION_COMPLETE = {"serverContent": {"generationComplete": True}}
INTERRUPTED = {"serverContent": {"interrupted": True}}
TURN_COMPLETE = {"serverContent": {"turnComplete": True}}
IN_PROGRESS = {"serverContent": {"turnComplete": True, "interactionStatus": "IN_PROGRESS"}}
IDLE = {"serverContent": {"turnComplete": True, "interactionStatus": "IDLE"}}


def opened(**setup: Any) -> LiveProtocol:
    protocol = LiveProtocol()
    protocol.send_setup(Setup({"model": "models/m", **setup}))
    protocol.receive('{"setupComplete": {}}')
    return protocol


def receive(protocol: LiveProtocol, *messages: Any) -> None:
    for message in messages:
        protocol.receive(json.dumps(message))


# -- order -------------------------------------------------------------------------------

SENDS: list[Callable[[LiveProtocol], str]] = [
    lambda protocol: protocol.send_audio(b"\0\0"),
    lambda protocol: protocol.send_text("a"),
    lambda protocol: protocol.send_audio_stream_end(),
    lambda protocol: protocol.send_client_content(),
    lambda protocol: protocol.send(RealtimeText("a")),
]


@pytest.mark.parametrize("send", SENDS)
def test_nothing_is_said_before_setup_complete(send: Callable[[LiveProtocol], str]) -> None:
    protocol = LiveProtocol()
    with pytest.raises(LocalProtocolError, match="before setup_complete"):
        send(protocol)
    protocol.send_setup(Setup({}))
    with pytest.raises(LocalProtocolError, match="before setup_complete"):
        send(protocol)
    protocol.receive('{"setupComplete": {}}')
    assert send(protocol)


def test_a_session_is_set_up_once() -> None:
    protocol = LiveProtocol()
    assert json.loads(protocol.send(Setup({"model": "m"}))) == {"setup": {"model": "m"}}
    assert protocol.state == "setup_sent"
    with pytest.raises(LocalProtocolError, match="once"):
        protocol.send_setup(Setup({}))
    protocol.receive('{"setupComplete": {}}')
    assert protocol.state == "open"
    with pytest.raises(LocalProtocolError, match="once"):
        protocol.send(Setup({}))


def test_setup_complete_may_name_the_session_and_come_with_more() -> None:
    protocol = LiveProtocol()
    protocol.send_setup(Setup({}))
    events = protocol.receive('{"goAway": {}, "setupComplete": {"sessionId": "s"}}')
    assert events == (SetupComplete("s"), GoAway(None))
    assert protocol.session_id == "s"


def test_what_is_sent_says_what_was_meant() -> None:
    protocol = opened()
    sent = [
        protocol.send_audio(b"\0\0"),
        protocol.send_text("hi"),
        protocol.send_audio_stream_end(),
        protocol.send_client_content([Content("user", (TextPart("a"),))], turn_complete=False),
    ]
    assert [json.loads(text) for text in sent] == [
        {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": "AAA="}}},
        {"realtimeInput": {"text": "hi"}},
        {"realtimeInput": {"audioStreamEnd": True}},
        {
            "clientContent": {
                "turns": [{"role": "user", "parts": [{"text": "a"}]}],
                "turnComplete": False,
            }
        },
    ]


def test_activity_is_marked_by_whoever_detects_it() -> None:
    manual = opened(realtimeInputConfig={"automaticActivityDetection": {"disabled": True}})
    assert manual.send(ActivityStart())
    assert manual.send(ActivityEnd())
    with pytest.raises(LocalProtocolError, match="detection is disabled"):
        manual.send(AudioStreamEnd())

    automatic = opened(realtimeInputConfig={"automaticActivityDetection": {}})
    assert automatic.send(AudioStreamEnd())
    for mark in (ActivityStart(), ActivityEnd()):
        with pytest.raises(LocalProtocolError, match="detection is enabled"):
            automatic.send(mark)


# -- generation --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "generation"),
    [
        ([], "idle"),
        ([AUDIO], "generating"),
        ([TEXT], "generating"),
        ([MODEL_TRANSCRIPT], "generating"),  # Vertex AI sends it before the sound
        ([USER_TRANSCRIPT], "idle"),
        ([AUDIO, GENERATION_COMPLETE], "idle"),
        ([AUDIO, GENERATION_COMPLETE, TURN_COMPLETE], "idle"),
        ([AUDIO, GENERATION_COMPLETE, AUDIO], "generating"),
        ([AUDIO, GENERATION_COMPLETE, AUDIO, TURN_COMPLETE], "idle"),
        ([AUDIO, INTERRUPTED], "idle"),
        ([AUDIO, INTERRUPTED, TURN_COMPLETE], "idle"),
        ([INTERRUPTED], "idle"),
        ([AUDIO, TURN_COMPLETE, INTERRUPTED], "idle"),
        ([AUDIO, TURN_COMPLETE, INTERRUPTED, AUDIO], "generating"),
        ([AUDIO, GENERATION_COMPLETE, USER_TRANSCRIPT, AUDIO], "generating"),  # no turnComplete
        ([AUDIO, TURN_COMPLETE], "idle"),
        ([TURN_COMPLETE], "idle"),  # the model chose to say nothing
        ([AUDIO, IN_PROGRESS], "generating"),
        ([AUDIO, IN_PROGRESS, AUDIO, IDLE], "idle"),
    ],
)
def test_content_starts_a_generation_and_the_first_end_ends_it(
    messages: list[Any], generation: str
) -> None:
    protocol = opened()
    receive(protocol, *messages)
    assert protocol.generation == generation


def test_a_frame_that_holds_a_whole_turn_leaves_the_model_idle() -> None:
    protocol = opened()
    content = {**AUDIO["serverContent"], "interrupted": True, "turnComplete": True}
    events = protocol.receive(json.dumps({"serverContent": content}))
    assert events == (AudioChunk(b"\0\0"), Interrupted(), TurnComplete())
    assert protocol.generation == "idle"


# -- what is remembered ------------------------------------------------------------------


def update(handle: str | None, resumable: bool) -> Any:
    return {"sessionResumptionUpdate": {"newHandle": handle, "resumable": resumable}}


@pytest.mark.parametrize(
    ("updates", "handle"),
    [
        ([], None),
        ([update("h1", True)], "h1"),
        ([update("h1", True), update("h2", True)], "h2"),
        ([update("h1", True), update("", False)], "h1"),
        ([update("h1", True), update("h2", False)], "h1"),
        ([update("h1", True), update("", True)], "h1"),
        ([update("h1", True), update(None, True)], "h1"),
        ([update("", False)], None),
    ],
)
def test_the_newest_resumable_handle_is_kept(updates: list[Any], handle: str | None) -> None:
    protocol = opened(sessionResumption={})
    receive(protocol, *updates)
    assert protocol.handle == handle


def test_a_resumed_session_can_be_resumed_from_where_it_was() -> None:
    protocol = opened(sessionResumption={"handle": "old"})
    assert protocol.handle == "old"
    receive(protocol, update("new", True))
    assert protocol.handle == "new"


def test_go_away_is_remembered() -> None:
    protocol = opened()
    assert protocol.go_away is None
    receive(protocol, {"goAway": {"timeLeft": "50s"}}, AUDIO)
    assert protocol.go_away == GoAway(50.0)


def test_frames_that_say_nothing_or_nothing_known_are_counted() -> None:
    protocol = opened()
    receive(protocol, {}, {}, {"shiny": 1, "new": 2}, AUDIO)
    assert (protocol.empty_frames, protocol.unknown_frames) == (2, 1)


def test_a_frame_that_cannot_be_read_changes_nothing() -> None:
    protocol = opened()
    receive(protocol, AUDIO)
    with pytest.raises(RemoteProtocolError):
        protocol.receive('{"goAway": {"timeLeft": 1}, "serverContent": {"interrupted": "perhaps"}}')
    assert protocol.generation == "generating"
    assert protocol.go_away is None


@pytest.mark.parametrize(
    ("model", "as_content"),
    [
        ("models/gemini-3.8-live", False),
        ("models/gemini-3.1-flash-live-preview", False),
        ("models/gemini-2.5-flash-native-audio-preview-12-2025", True),
        (
            "projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash-native-audio",
            True,
        ),
        ("models/gemini-5-live", False),
    ],
)
def test_typed_text_takes_the_message_that_the_model_knows(model: str, as_content: bool) -> None:
    sent = json.loads(opened(model=model).send_text("hi"))
    turn = {"role": "user", "parts": [{"text": "hi"}]}
    content = {"clientContent": {"turns": [turn], "turnComplete": True}}
    assert sent == (content if as_content else {"realtimeInput": {"text": "hi"}})

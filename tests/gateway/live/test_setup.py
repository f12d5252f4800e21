"""The `setup` of a live session, by itself, against the SDK's capture and the SDK's own types."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from gateway.errors import LiveRefused
from gateway.live.endpoint import Endpoint
from gateway.live.setup import ActivityDetection, LiveSetup, setup_message
from tests.gateway.live.samples import client_message

DEV = Endpoint("dev")
VERTEX = Endpoint("vertex", project="my-project", location="us-central1")

EVERYTHING = LiveSetup(
    model="gemini-3.8-live",
    voice="Puck",
    language="en-US",
    instructions="Be brief.",
    detection=ActivityDetection(
        start_sensitivity="HIGH",
        end_sensitivity="LOW",
        prefix_padding_ms=20,
        silence_duration_ms=500,
    ),
    activity_handling="NO_INTERRUPTION",
    turn_coverage="TURN_INCLUDES_ONLY_ACTIVITY",
    handle="handle-1",
)


def fields(setup: LiveSetup, endpoint: Endpoint = DEV) -> dict[str, Any]:
    return setup_message(setup, endpoint).fields


@pytest.mark.unit
def test_the_least_set_up_asks_for_audio_both_transcriptions_and_handles() -> None:
    assert fields(LiveSetup("m")) == {
        "model": "models/m",
        "generationConfig": {"responseModalities": ["AUDIO"]},
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
        "sessionResumption": {},
    }


@pytest.mark.unit
@pytest.mark.parametrize(
    ("setup", "changed"),
    [
        (LiveSetup("m", voice="Kore"), {"generationConfig": {
            "responseModalities": ["AUDIO"],
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}}}),
        (LiveSetup("m", language="de-DE"), {"generationConfig": {
            "responseModalities": ["AUDIO"], "speechConfig": {"languageCode": "de-DE"}}}),
        (LiveSetup("m", modality="TEXT"), {"generationConfig": {"responseModalities": ["TEXT"]}}),
        (LiveSetup("m", instructions="Sing."), {
            "systemInstruction": {"parts": [{"text": "Sing."}]}}),
        (LiveSetup("m", instructions=""), {}),
        (LiveSetup("m", input_transcription=False), {"inputAudioTranscription": None}),
        (LiveSetup("m", output_transcription=False), {"outputAudioTranscription": None}),
        (LiveSetup("m", resumption=False), {"sessionResumption": None}),
        (LiveSetup("m", handle="h"), {"sessionResumption": {"handle": "h"}}),
        (LiveSetup("m", resumption=False, handle="h"), {"sessionResumption": {"handle": "h"}}),
        (LiveSetup("m", detection=ActivityDetection()), {
            "realtimeInputConfig": {"automaticActivityDetection": {}}}),
        (LiveSetup("m", detection=ActivityDetection(disabled=True)), {
            "realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}),
        (LiveSetup("m", detection=ActivityDetection(prefix_padding_ms=0, silence_duration_ms=0)), {
            "realtimeInputConfig": {"automaticActivityDetection": {
                "prefixPaddingMs": 0, "silenceDurationMs": 0}}}),
        (LiveSetup("m", activity_handling="NO_INTERRUPTION"), {
            "realtimeInputConfig": {"activityHandling": "NO_INTERRUPTION"}}),
        (LiveSetup("m", turn_coverage="TURN_INCLUDES_ALL_INPUT"), {
            "realtimeInputConfig": {"turnCoverage": "TURN_INCLUDES_ALL_INPUT"}}),
    ],
)  # fmt: skip
def test_each_field_changes_its_own_part_of_the_wire(
    setup: LiveSetup, changed: dict[str, Any]
) -> None:
    expected = {**fields(LiveSetup("m")), **changed}
    assert fields(setup) == {name: value for name, value in expected.items() if value is not None}


@pytest.mark.unit
@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("gemini-3.8-live-extended-thinking", {"thinkingLevel": "LOW"}),
        ("gemini-3.8-live", None),
    ],
)
def test_a_model_that_refuses_to_start_without_a_thinking_level_is_given_the_least(
    model: str, config: dict[str, str] | None
) -> None:
    assert fields(LiveSetup(model))["generationConfig"].get("thinkingConfig") == config


@pytest.mark.unit
def test_the_model_is_named_as_the_service_names_it() -> None:
    assert fields(LiveSetup("m"), VERTEX)["model"] == (
        "projects/my-project/locations/us-central1/publishers/google/models/m"
    )
    with pytest.raises(LiveRefused):
        fields(LiveSetup("../m"))


@pytest.mark.contract
@pytest.mark.parametrize(
    ("name", "model", "endpoint"),
    [
        ("setup", "gemini-3.8-live", DEV),
        ("setup-vertex", "gemini-live-2.5-flash-native-audio", VERTEX),
    ],
)
def test_a_full_set_up_says_the_same_as_the_sdk(name: str, model: str, endpoint: Endpoint) -> None:
    sdk = client_message(name)["setup"]
    assert sdk["systemInstruction"].pop("role") == "user"  # optional, and left out here
    setup = LiveSetup(**{**_values(EVERYTHING), "model": model})
    assert fields(setup, endpoint) == sdk


@pytest.mark.contract
@pytest.mark.parametrize("endpoint", [DEV, VERTEX])
@pytest.mark.parametrize(
    "setup",
    [
        LiveSetup("m"),
        EVERYTHING,
        LiveSetup("m", detection=ActivityDetection(disabled=True), modality="TEXT"),
        *(
            LiveSetup(
                "m",
                detection=ActivityDetection(start_sensitivity=start, end_sensitivity=end),
                turn_coverage=coverage,
                activity_handling=handling,
            )
            for start, end, coverage, handling in (
                ("LOW", "HIGH", "TURN_INCLUDES_ALL_INPUT", "START_OF_ACTIVITY_INTERRUPTS"),
                ("HIGH", "LOW", "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO", "NO_INTERRUPTION"),
            )
        ),
    ],
)
def test_every_field_and_enumerator_is_known_to_the_sdk(
    setup: LiveSetup, endpoint: Endpoint
) -> None:
    wire = fields(setup, endpoint)
    # The SDK's setup type lacks this one field, and forbids all that it lacks.
    realtime = types.RealtimeInputConfig.model_validate(wire.pop("realtimeInputConfig", {}))
    sdk = types.LiveClientSetup.model_validate(wire)

    # The SDK's enums take any text: an unknown one has no member of that name.
    detection = realtime.automatic_activity_detection
    if setup.detection is not None and setup.detection.start_sensitivity is not None:
        assert detection is not None
        assert detection.start_of_speech_sensitivity in list(types.StartSensitivity)
        assert detection.end_of_speech_sensitivity in list(types.EndSensitivity)
    if setup.activity_handling:
        assert realtime.activity_handling in list(types.ActivityHandling)
        assert realtime.turn_coverage in list(types.TurnCoverage)

    again = {
        **sdk.model_dump(mode="json", by_alias=True, exclude_none=True),
        **(
            {"realtimeInputConfig": read}
            if (read := realtime.model_dump(mode="json", by_alias=True, exclude_none=True))
            else {}
        ),
    }
    assert again == fields(setup, endpoint)


@pytest.mark.contract
def test_the_sdk_would_refuse_a_field_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="extra"):
        types.LiveClientSetup.model_validate({**fields(LiveSetup("m")), "affective": True})


def _values(setup: LiveSetup) -> dict[str, Any]:
    return {name: getattr(setup, name) for name in setup.__dataclass_fields__}

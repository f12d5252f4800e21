"""What a live session is to be: model, voice, language, instructions, turn taking.

:class:`LiveSetup` says it in the gateway's words, :func:`setup_message` turns
it into the service's ``setup`` object.  Every field left at ``None`` is left
out of the wire, so that the service's own default holds.

Each group of fields has its own function below and its own key on the wire: a
later feature adds a field here and a line there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from gateway.live.endpoint import Endpoint
from gateway.live.messages import Setup

Sensitivity = Literal["HIGH", "LOW"]
ActivityHandling = Literal["START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION"]
TurnCoverage = Literal[
    "TURN_INCLUDES_ONLY_ACTIVITY",
    "TURN_INCLUDES_ALL_INPUT",
    "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
]


# Models that refuse a set-up without a thinking level; LOW is the least they take.
_THINKS_BY_LEVEL = re.compile(r"-live-extended-thinking$")


@dataclass(frozen=True, slots=True)
class ActivityDetection:
    """The service's voice detection (``automaticActivityDetection``).

    ``disabled`` hands turn taking to the client, which then sends
    activity_start and activity_end.
    """

    disabled: bool = False
    start_sensitivity: Sensitivity | None = None
    end_sensitivity: Sensitivity | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class LiveSetup:
    """The configuration of one live session.

    ``model`` is a bare name or a qualified one (see :meth:`Endpoint.model_path`),
    ``language`` a BCP-47 code.  ``resumption`` asks for handles; ``handle`` is
    one from an earlier session, to go on from there.
    """

    model: str
    voice: str | None = None
    language: str | None = None
    instructions: str | None = None
    modality: Literal["AUDIO", "TEXT"] = "AUDIO"
    input_transcription: bool = True
    output_transcription: bool = True
    detection: ActivityDetection | None = None
    activity_handling: ActivityHandling | None = None
    turn_coverage: TurnCoverage | None = None
    resumption: bool = True
    handle: str | None = None


def setup_message(setup: LiveSetup, endpoint: Endpoint) -> Setup:
    """The ``setup`` of the Live API for the service at ``endpoint``.

    Raises :exc:`ValueError` for a model name that cannot be one.
    """
    fields: dict[str, Any] = {
        "model": endpoint.model_path(setup.model),
        "generationConfig": _generation_config(setup),
    }
    if setup.instructions:
        fields["systemInstruction"] = {"parts": [{"text": setup.instructions}]}
    if realtime := _realtime_input_config(setup):
        fields["realtimeInputConfig"] = realtime
    if setup.input_transcription:
        fields["inputAudioTranscription"] = {}
    if setup.output_transcription:
        fields["outputAudioTranscription"] = {}
    if setup.resumption or setup.handle:
        fields["sessionResumption"] = {"handle": setup.handle} if setup.handle else {}
    return Setup(fields)


def _generation_config(setup: LiveSetup) -> dict[str, Any]:
    # The modality is always said: Vertex AI's default is not AUDIO.
    config: dict[str, Any] = {"responseModalities": [setup.modality]}
    if _THINKS_BY_LEVEL.search(setup.model):
        config["thinkingConfig"] = {"thinkingLevel": "LOW"}
    if speech := _speech_config(setup):
        config["speechConfig"] = speech
    return config


def _speech_config(setup: LiveSetup) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if setup.voice:
        config["voiceConfig"] = {"prebuiltVoiceConfig": {"voiceName": setup.voice}}
    if setup.language:
        config["languageCode"] = setup.language
    return config


def _realtime_input_config(setup: LiveSetup) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if setup.detection is not None:
        config["automaticActivityDetection"] = _activity_detection(setup.detection)
    if setup.activity_handling:
        config["activityHandling"] = setup.activity_handling
    if setup.turn_coverage:
        config["turnCoverage"] = setup.turn_coverage
    return config


def _activity_detection(detection: ActivityDetection) -> dict[str, Any]:
    fields = {
        "disabled": detection.disabled or None,
        "startOfSpeechSensitivity": _enum("START_SENSITIVITY", detection.start_sensitivity),
        "endOfSpeechSensitivity": _enum("END_SENSITIVITY", detection.end_sensitivity),
        "prefixPaddingMs": detection.prefix_padding_ms,
        "silenceDurationMs": detection.silence_duration_ms,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _enum(kind: str, value: str | None) -> str | None:
    return None if value is None else f"{kind}_{value}"

"""What a setup asks for, as the local model and its dialogue want to know it.

:meth:`Settings.read` takes the checked fields of ``setup`` (names in camelCase) and
fills in the service's defaults; whether the service accepts them is for ``rules``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gateway.live.local.languages import language_of
from gateway.live.local.schema import text_of
from gateway.live.local.switches import Switches
from gateway.live.local.tables import Service
from gateway.live.local.voices import DEFAULT_VOICE

Sensitivity = Literal["high", "low"]
Behavior = Literal["BLOCKING", "NON_BLOCKING"]


@dataclass(frozen=True, slots=True)
class Function:
    """A declared function.  ``parameters`` holds the JSON schema of each by name."""

    name: str
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    behavior: Behavior | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """``automaticActivityDetection`` with every default filled in."""

    disabled: bool = False
    start: Sensitivity = "high"
    end: Sensitivity = "high"
    prefix_padding_ms: int = 60
    silence_duration_ms: int = 500


@dataclass(frozen=True, slots=True)
class Settings:
    """One live session's settings.

    ``model`` is the bare name; ``language`` a key of ``languages.LANGUAGES``;
    ``handle`` is ``None`` without ``sessionResumption``, ``""`` for a new session that
    can be resumed, else the handle to resume.
    """

    model: str
    modality: str = "AUDIO"
    voice: str = DEFAULT_VOICE
    language: str = "en-US"
    instructions: str = ""
    functions: tuple[Function, ...] = ()
    detection: Detection = Detection()
    interruptible: bool = True
    input_transcription: bool = False
    output_transcription: bool = False
    handle: str | None = None
    transparent: bool = False
    voice_activity: bool = False
    initial_history: bool = False
    affective: bool = False

    @classmethod
    def read(cls, fields: dict[str, Any], service: Service, switches: Switches) -> Settings:
        """The settings in the ``setup`` object ``fields``."""
        config = fields.get("generationConfig", {})
        speech = config.get("speechConfig", {})
        voice = speech.get("voiceConfig", {}).get("prebuiltVoiceConfig", {})
        realtime = fields.get("realtimeInputConfig", {})
        resumption = fields.get("sessionResumption")
        history = fields.get("historyConfig", {})
        instructions = text_of(fields.get("systemInstruction"))
        default = switches.vertex_modality if service == "vertex" else "AUDIO"
        return cls(
            model=fields.get("model", "").rpartition("/")[2],
            modality=(config.get("responseModalities") or [default])[0],
            voice=voice.get("voiceName") or DEFAULT_VOICE,
            language=language_of(speech.get("languageCode"), instructions),
            instructions=instructions,
            functions=tuple(read_functions(fields.get("tools", []))),
            detection=_detection(realtime.get("automaticActivityDetection", {}), service, switches),
            interruptible=realtime.get("activityHandling") != "NO_INTERRUPTION",
            # The documentation of live translation puts these two in generationConfig.
            input_transcription="inputAudioTranscription" in {**config, **fields},
            output_transcription="outputAudioTranscription" in {**config, **fields},
            handle=None if resumption is None else resumption.get("handle", ""),
            transparent=bool(resumption and resumption.get("transparent")),
            voice_activity=fields.get("explicitVadSignal", False),
            initial_history=history.get("initialHistoryInClientContent", False),
            affective=config.get("enableAffectiveDialog", False),
        )

    def updated(self, instructions: str | None, tools: list[dict[str, Any]] | None) -> Settings:
        """After a ``contextUpdate``: ``None`` leaves a field as it was."""
        settings = self
        if instructions is not None:
            settings = replace(settings, instructions=instructions)
        if tools is not None:
            settings = replace(settings, functions=tuple(read_functions(tools)))
        return settings


def read_functions(tools: Iterable[dict[str, Any]]) -> Iterable[Function]:
    """The functions declared in ``tools``."""
    for tool in tools:
        for declared in tool.get("functionDeclarations", []):
            schema = declared.get("parameters") or declared.get("parametersJsonSchema")
            schema = schema if isinstance(schema, dict) else {}
            properties = schema.get("properties")
            required = schema.get("required")
            yield Function(
                name=declared.get("name", ""),
                parameters={
                    name: value
                    for name, value in (properties if isinstance(properties, dict) else {}).items()
                    if isinstance(value, dict)
                },
                required=tuple(
                    name
                    for name in (required if isinstance(required, list) else [])
                    if isinstance(name, str)
                ),
                behavior=_behavior(declared.get("behavior")),
            )


def _behavior(value: str | None) -> Behavior | None:
    match value:
        case "BLOCKING" | "NON_BLOCKING":
            return value
        case _:
            return None


def _detection(fields: dict[str, Any], service: Service, switches: Switches) -> Detection:
    # Developer API: HIGH for both; Vertex: LOW for both.
    default: Sensitivity = "high" if service == "dev" else "low"
    return Detection(
        disabled=fields.get("disabled", False),
        start=_sensitivity(fields.get("startOfSpeechSensitivity"), default),
        end=_sensitivity(fields.get("endOfSpeechSensitivity"), default),
        prefix_padding_ms=fields.get("prefixPaddingMs", switches.prefix_ms),
        silence_duration_ms=fields.get("silenceDurationMs", switches.silence_ms),
    )


def _sensitivity(value: str | None, default: Sensitivity) -> Sensitivity:
    if value is None or value.endswith("UNSPECIFIED"):
        return default
    return "high" if value.endswith("HIGH") else "low"

"""Which setups the service refuses, and with what words.

The frame was readable (``schema``); here is what this service, this version of its API
and this model make of it.  Each rule is a documented refusal or an observed one; what
the service finds out only at the first content (affective dialog on a model without it)
is left to ``dialogue``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.live.catalog import Catalog, Model
from gateway.live.local.refusal import (
    INVALID_DATA,
    POLICY,
    PRECONDITION,
    Refusal,
    invalid_argument,
)
from gateway.live.local.settings import Settings, read_functions
from gateway.live.local.switches import Switches
from gateway.live.local.tables import NOT_IN_LIVE, Service

_MODEL_NAME = {
    "dev": re.compile(r"(?:models|tunedModels)/[\w.@:-]+"),
    "vertex": re.compile(
        r"(?:projects/[^/]+/locations/(?P<location>[^/]+)/)?publishers/[^/]+/models/[\w.@:-]+"
    ),
}
_FUNCTION_NAME = re.compile(r"[A-Za-z_][\w.:-]{0,127}", re.ASCII)
# Served in regions only.
_NOT_GLOBAL = frozenset(("gemini-live-2.5-flash-preview-native-audio-09-2025",))
_COMPRESSION = {"trigger": (5_000, 128_000), "target": (0, 128_000)}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client has connected: the service and the version of its API."""

    service: Service
    version: str


def find_model(fields: dict[str, Any], place: Place, catalog: Catalog, switches: Switches) -> Model:
    """The model a setup names.  Raises :exc:`Refusal` for one that is not served here."""
    name = fields.get("model", "")
    match = _MODEL_NAME[place.service].fullmatch(name)
    if match is None:
        raise invalid_argument()
    found = catalog.find_model(name.rpartition("/")[2])
    model = found or Model(name.rpartition("/")[2])
    if switches.check_model:
        elsewhere = place.service not in model.services
        location = match["location"] if place.service == "vertex" else None
        nowhere = model.is_retired or not model.is_known
        if elsewhere or nowhere or (location == "global" and model.id in _NOT_GLOBAL):
            raise Refusal(POLICY, _not_found(name, place))
    return model


def check_setup(fields: dict[str, Any], model: Model, place: Place, catalog: Catalog) -> None:
    """Raise the :exc:`Refusal` of the first rule that a setup breaks."""
    for rule in _RULES:
        rule(fields, model, place)
    config = fields.get("generationConfig", {})
    voice = config.get("speechConfig", {}).get("voiceConfig", {}).get("prebuiltVoiceConfig", {})
    name = voice.get("voiceName")
    if name and name not in {voice.name for voice in catalog.voices}:
        reason = f"Requested voice api_name '{name}' is not available for model {model.id}."
        raise Refusal(INVALID_DATA, reason)


def lacks_affective(settings: Settings, model: Model) -> bool:
    """Affective dialog was asked of a model without it: accepted, then closed with 1007."""
    return settings.affective and model.is_known and "affective_dialog" not in model.capabilities


def _not_found(name: str, place: Place) -> str:
    if place.service == "dev":
        return (
            f"{name} is not found for API version {place.version}, or is not supported for "
            "bidiGenerateContent. Call ListModels to see the list of available models."
        )
    return (
        f"Publisher Model `{name}` was not found or your project does not have access to it. "
        "Please ensure you are using a valid model version."
    )


def _modality(fields: dict[str, Any], model: Model, place: Place) -> None:
    modalities = fields.get("generationConfig", {}).get("responseModalities", [])
    if len(modalities) > 1:
        raise invalid_argument()
    for modality in modalities:
        text_too = "text_out" in model.capabilities or not model.is_known
        if modality not in ("AUDIO", "TEXT") or (modality == "TEXT" and not text_too):
            raise Refusal(INVALID_DATA, PRECONDITION)


def _generation_config(fields: dict[str, Any], model: Model, place: Place) -> None:
    config = fields.get("generationConfig", {})
    if not NOT_IN_LIVE.isdisjoint(config) or not 0 <= config.get("temperature", 0) <= 2:
        raise invalid_argument()
    if "multiSpeakerVoiceConfig" in config.get("speechConfig", {}):
        raise invalid_argument()


def _only_in_alpha(fields: dict[str, Any], model: Model, place: Place) -> None:
    """On the Developer API the 2.5 models have these two in v1alpha only."""
    if place.service != "dev" or place.version == "v1alpha" or "2.5" not in model.id:
        return
    for path, name, within in (
        ("setup.generation_config", "enableAffectiveDialog", fields.get("generationConfig", {})),
        ("setup", "proactivity", fields),
    ):
        if name in within:
            snake = {"enableAffectiveDialog": "enable_affective_dialog"}.get(name, name)
            raise Refusal(
                INVALID_DATA,
                f'Invalid JSON payload received. Unknown name "{snake}" at '
                f"'{path}': Cannot find field.",
            )


def _thinking(fields: dict[str, Any], model: Model, place: Place) -> None:
    config = fields.get("generationConfig", {}).get("thinkingConfig")
    if "interaction_status" in model.capabilities:  # 3.8 extended thinking
        if (config or {}).get("thinkingLevel") not in ("LOW", "MEDIUM", "HIGH", "XHIGH"):
            raise invalid_argument()
    elif config is not None and model.id == "gemini-3.8-live":
        raise invalid_argument()


def _proactivity(fields: dict[str, Any], model: Model, place: Place) -> None:
    proactivity = fields.get("proactivity", {})
    if "proactive_audio_always" in model.capabilities:
        if proactivity.get("proactiveAudio") is False:
            raise invalid_argument()
    elif proactivity.get("proactiveVideo") and not proactivity.get("proactiveAudio"):
        raise invalid_argument()


def _compression(fields: dict[str, Any], model: Model, place: Place) -> None:
    config = fields.get("contextWindowCompression", {})
    trigger = config.get("triggerTokens")
    target = config.get("slidingWindow", {}).get("targetTokens")
    if trigger is not None and target is not None and target >= trigger:
        raise invalid_argument()
    if place.service == "vertex":
        for value, (least, most) in (
            (trigger, _COMPRESSION["trigger"]),
            (target, _COMPRESSION["target"]),
        ):
            if value is not None and not least <= value <= most:
                raise invalid_argument()


def _detection(fields: dict[str, Any], model: Model, place: Place) -> None:
    detection = fields.get("realtimeInputConfig", {}).get("automaticActivityDetection", {})
    if min(detection.get("prefixPaddingMs", 0), detection.get("silenceDurationMs", 0)) < 0:
        raise invalid_argument()


def _tools(fields: dict[str, Any], model: Model, place: Place) -> None:
    tools = fields.get("tools", [])
    functions = list(read_functions(tools))
    names = [function.name for function in functions]
    if len(set(names)) < len(names) or not all(map(_FUNCTION_NAME.fullmatch, names)):
        raise invalid_argument()
    built_in = any(key != "functionDeclarations" for tool in tools for key in tool)
    if place.service == "dev" and functions and built_in and "2.5" in model.id:
        raise invalid_argument()
    if tools and model.is_known and "function_calling" not in model.capabilities:
        raise invalid_argument()
    blocking = any(function.behavior == "BLOCKING" for function in functions)
    if blocking and "interaction_status" in model.capabilities:
        raise invalid_argument()


_RULES: tuple[Callable[[dict[str, Any], Model, Place], None], ...] = (
    _modality,
    _generation_config,
    _only_in_alpha,
    _thinking,
    _proactivity,
    _compression,
    _detection,
    _tools,
)

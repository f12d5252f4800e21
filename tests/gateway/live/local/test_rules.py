from __future__ import annotations

from typing import Any

import pytest

from gateway.live import catalog
from gateway.live.local.manners import Manners, life_close, usage_spelling
from gateway.live.local.refusal import INVALID_ARGUMENT, PRECONDITION, Refusal, cut
from gateway.live.local.rules import Place, check_setup, find_model
from gateway.live.local.settings import Detection, Function, Settings
from gateway.live.local.switches import Switches
from tests.gateway.live.local.virtual import DEV_25, DEV_31, MODELS, Virtual

pytestmark = pytest.mark.unit

CATALOG = catalog.load()
DEV, VERTEX = Place("dev", "v1beta"), Place("vertex", "v1beta1")
DEV_38 = MODELS["dev"]
THINKING = "models/gemini-3.8-live-extended-thinking"
SEED = "gemini-live-2.5-flash-preview-native-audio-09-2025"
EXPRESS = "publishers/google/models/"
HALF_CASCADE = EXPRESS + "gemini-live-2.5-flash"
INVALID = (1007, INVALID_ARGUMENT)


def outcome(name: str, place: Place, switches: Switches | None = None, **fields: Any) -> Any:
    """``None`` when a setup is accepted, else code and reason of its refusal."""
    fields["model"] = name
    try:
        model = find_model(fields, place, CATALOG, switches or Switches())
        check_setup(fields, model, place, CATALOG)
    except Refusal as refusal:
        return refusal.code, refusal.reason
    return None


# -- models --------------------------------------------------------------------------------


def test_every_model_of_the_catalogue_is_found_where_it_is_served() -> None:
    for model in CATALOG.models():
        for name in (model.id, *model.aliases):
            thinking = {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}
            fields: dict[str, Any] = thinking if "extended-thinking" in name else {}
            here = outcome(f"models/{name}", DEV, **fields)
            there = outcome(f"projects/p/locations/us-central1/{EXPRESS}{name}", VERTEX, **fields)
            assert (here is None) == ("dev" in model.services), name
            assert (there is None) == ("vertex" in model.services), name


@pytest.mark.parametrize(
    ("name", "place", "reason"),
    [
        (
            "models/gemini-9",
            DEV,
            "models/gemini-9 is not found for API version v1beta, or is not supported for "
            "bidiGenerateContent. Call ListMo",
        ),
        ("models/gemini-2.0-flash-live-001", DEV, "models/gemini-2.0-flash-live-001 is not found"),
        (f"models/{SEED}", DEV, "is not found for API version v1beta"),
        (EXPRESS + "gemini-9", VERTEX, "Publisher Model `publishers/google/models/gemini-9`"),
        (
            f"projects/p/locations/global/{EXPRESS}{SEED}",
            VERTEX,
            f"Publisher Model `projects/p/locations/global/{EXPRESS}{SEED}`",
        ),
        ("tunedModels/mine", DEV, "tunedModels/mine is not found"),
    ],
)
def test_a_model_that_is_not_served_there_is_not_found(
    name: str, place: Place, reason: str
) -> None:
    code, said = outcome(name, place)
    assert code == 1008
    assert cut(reason) in said
    assert outcome(name, place, Switches(check_model=False)) is None


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("", DEV),
        ("gemini-3.8-live", DEV),
        ("models/a/b", DEV),
        ("models/../x", DEV),
        (DEV_38, VERTEX),
        ("projects/p/models/m", VERTEX),
    ],
)
def test_a_name_of_another_form_is_an_invalid_argument(name: str, place: Place) -> None:
    assert outcome(name, place) == INVALID


# -- setups --------------------------------------------------------------------------------


def config(**fields: Any) -> dict[str, Any]:
    return {"generationConfig": fields}


def functions(*names: str, **more: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": name, **more} for name in names]}]}


@pytest.mark.parametrize(
    ("name", "place", "fields"),
    [
        (DEV_38, DEV, config(responseModalities=["AUDIO"], temperature=2.0)),
        (DEV_38, DEV, {"proactivity": {"proactiveAudio": True}}),
        (DEV_38, DEV, {**functions("a", "b"), "proactivity": {}}),
        (DEV_38, DEV, {"tools": [{"googleSearch": {}}, *functions("a")["tools"]]}),
        (DEV_31, DEV, config(thinkingConfig={"thinkingLevel": "MINIMAL"})),
        (THINKING, DEV, config(thinkingConfig={"thinkingLevel": "LOW"})),
        (DEV_25, Place("dev", "v1alpha"), config(enableAffectiveDialog=True)),
        (DEV_25, Place("dev", "v1alpha"), {"proactivity": {"proactiveAudio": True}}),
        (MODELS["vertex"], VERTEX, config(enableAffectiveDialog=True)),
        (HALF_CASCADE, VERTEX, config(responseModalities=["TEXT"])),
        (DEV_38, DEV, config(speechConfig={"voiceConfig": {}})),
        (
            DEV_38,
            DEV,
            {"contextWindowCompression": {"triggerTokens": 100, "slidingWindow": {}}},
        ),
    ],
)
def test_setups_as_documented_are_accepted(name: str, place: Place, fields: dict[str, Any]) -> None:
    assert outcome(name, place, **fields) is None


@pytest.mark.parametrize(
    ("name", "place", "fields"),
    [
        (DEV_38, DEV, config(responseModalities=["AUDIO", "TEXT"])),
        (DEV_38, DEV, config(temperature=2.5)),
        (DEV_38, DEV, config(stopSequences=["x"])),
        (DEV_38, DEV, config(speechConfig={"multiSpeakerVoiceConfig": {}})),
        (DEV_38, DEV, config(thinkingConfig={"thinkingBudget": 0})),
        (DEV_38, DEV, {"proactivity": {"proactiveAudio": False}}),
        (THINKING, DEV, {}),
        (THINKING, DEV, config(thinkingConfig={"thinkingLevel": "MINIMAL"})),
        (
            THINKING,
            DEV,
            {
                **config(thinkingConfig={"thinkingLevel": "LOW"}),
                **functions("f", behavior="BLOCKING"),
            },
        ),
        (DEV_25, DEV, {"tools": [{"googleSearch": {}}, *functions("a")["tools"]]}),
        (DEV_38, DEV, functions("a", "a")),
        (DEV_38, DEV, functions("1st")),
        (DEV_38, DEV, functions("x" * 129)),
        ("models/gemini-3.5-live-translate-preview", DEV, functions("a")),
        (
            DEV_38,
            DEV,
            {
                "contextWindowCompression": {
                    "triggerTokens": 100,
                    "slidingWindow": {"targetTokens": 100},
                }
            },
        ),
        (MODELS["vertex"], VERTEX, {"contextWindowCompression": {"triggerTokens": 4999}}),
        (
            MODELS["vertex"],
            VERTEX,
            {"proactivity": {"proactiveAudio": False, "proactiveVideo": True}},
        ),
        (
            DEV_38,
            DEV,
            {
                "realtimeInputConfig": {
                    "automaticActivityDetection": {"silenceDurationMs": -1},
                }
            },
        ),
    ],
)
def test_setups_the_model_cannot_take_are_invalid(
    name: str, place: Place, fields: dict[str, Any]
) -> None:
    assert outcome(name, place, **fields) == INVALID


@pytest.mark.parametrize("modality", ["TEXT", "IMAGE", "VIDEO"])
def test_native_audio_answers_in_audio_only(modality: str) -> None:
    refused = outcome(DEV_38, DEV, **config(responseModalities=[modality]))
    assert refused == (1007, PRECONDITION)


def test_2_5_has_affective_dialog_and_proactivity_in_v1alpha_only() -> None:
    unknown = "Invalid JSON payload received. Unknown name \"{}\" at '{}': Cannot find field."
    for fields, name, path in (
        (config(enableAffectiveDialog=True), "enable_affective_dialog", "setup.generation_config"),
        ({"proactivity": {}}, "proactivity", "setup"),
    ):
        assert outcome(DEV_25, DEV, **fields) == (1007, cut(unknown.format(name, path)))


def test_an_unknown_voice_is_refused_and_case_counts() -> None:
    def voice(name: str) -> dict[str, Any]:
        return config(speechConfig={"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}})

    assert outcome(DEV_38, DEV, **voice("Puck")) is None
    code, reason = outcome(DEV_38, DEV, **voice("puck"))
    assert code == 1007
    assert "'puck' is not available" in reason


# -- settings ------------------------------------------------------------------------------


def test_the_defaults_are_the_services() -> None:
    switches = Switches(silence_ms=700, prefix_ms=20)
    dev = Settings.read({"model": DEV_38}, "dev", switches)
    assert dev.model == "gemini-3.8-live"
    assert dev.detection == Detection(False, "high", "high", 20, 700)
    assert (dev.voice, dev.language, dev.modality) == ("Puck", "en-US", "AUDIO")
    assert dev.interruptible
    assert dev.handle is None
    vertex = Settings.read({"model": "m"}, "vertex", Switches(vertex_modality="TEXT"))
    assert (vertex.detection.start, vertex.detection.end) == ("low", "low")
    assert vertex.modality == "TEXT"


def test_what_the_setup_says_is_read() -> None:
    fields = {
        "model": DEV_38,
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "speechConfig": {
                "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}},
                "languageCode": "fr-FR",
            },
            "inputAudioTranscription": {},
        },
        "systemInstruction": {"parts": [{"text": "Be"}, {"inlineData": {}}, {"text": "kind."}]},
        "realtimeInputConfig": {
            "automaticActivityDetection": {
                "disabled": True,
                "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
                "endOfSpeechSensitivity": "END_SENSITIVITY_UNSPECIFIED",
                "prefixPaddingMs": 0,
                "silenceDurationMs": 100,
            },
            "activityHandling": "NO_INTERRUPTION",
        },
        "sessionResumption": {"handle": "h", "transparent": True},
        "historyConfig": {"initialHistoryInClientContent": True},
        "tools": [
            {"googleSearch": {}},
            {
                "functionDeclarations": [
                    {"name": "f", "parametersJsonSchema": {"properties": {"a": {}, "b": 3}}},
                    {"name": "g", "parameters": {"required": ["x", 1]}, "behavior": "BLOCKING"},
                    {"name": "h", "parametersJsonSchema": [], "behavior": "UNSPECIFIED"},
                ]
            },
        ],
    }
    assert Settings.read(fields, "dev", Switches()) == Settings(
        model="gemini-3.8-live",
        voice="Kore",
        language="fr-FR",
        instructions="Be\nkind.",
        functions=(
            Function("f", {"a": {}}),
            Function("g", {}, ("x",), "BLOCKING"),
            Function("h"),
        ),
        detection=Detection(True, "low", "high", 0, 100),
        interruptible=False,
        input_transcription=True,
        handle="h",
        transparent=True,
        initial_history=True,
    )


# -- manners -------------------------------------------------------------------------------


def manners(name: str, service: Any = "dev", **switches: Any) -> Manners:
    model = CATALOG.find_model(name)
    assert model is not None
    return Manners(service, model, Switches(**switches))


def test_who_waits_for_functions_depends_on_model_and_declaration() -> None:
    blocking, non_blocking = (
        Function("f", behavior="BLOCKING"),
        Function("f", behavior="NON_BLOCKING"),
    )
    for name, function, behavior in (
        (DEV_25, None, "BLOCKING"),
        (DEV_25, non_blocking, "NON_BLOCKING"),
        (DEV_31, non_blocking, "BLOCKING"),
        (DEV_38, None, "NON_BLOCKING"),
        (DEV_38, blocking, "BLOCKING"),
        (SEED, non_blocking, "BLOCKING"),
    ):
        assert manners(name).behavior(function) == behavior, name


def test_auto_follows_the_service_and_a_choice_does_not() -> None:
    assert usage_spelling("vertex", Switches()) == "vertex"
    assert usage_spelling("vertex", Switches(usage="dev")) == "dev"
    assert life_close("dev", Switches())[0] == 1011
    assert life_close("dev", Switches(life_close="cancelled"))[0] == 1000
    assert manners(DEV_38).handle_life_s == 7200
    assert manners(SEED, "vertex").handle_life_s == 86_400
    assert manners(SEED, "vertex", handle_life_s=5.0).handle_life_s == 5
    assert manners("gemini-robotics-er-2-streaming-preview").generation == ""


def test_a_negative_time_never_reaches_the_ears() -> None:
    talk = Virtual(
        setup={"realtimeInputConfig": {"automaticActivityDetection": {"prefixPaddingMs": -5}}}
    )
    assert talk.closed == INVALID

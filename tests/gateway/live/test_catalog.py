"""The catalogue that comes with the gateway."""

from __future__ import annotations

import pytest

from gateway.config import DEFAULT_DEV_MODEL, DEFAULT_VERTEX_MODEL
from gateway.live.catalog import Language, Voice, load
from gateway.live.endpoint import Service

pytestmark = pytest.mark.unit

CATALOG = load()


@pytest.mark.parametrize(
    ("service", "name"), [("dev", DEFAULT_DEV_MODEL), ("vertex", DEFAULT_VERTEX_MODEL)]
)
def test_each_service_has_a_default_model_that_talks(service: Service, name: str) -> None:
    model = CATALOG.default_model(service)
    assert model.id == name
    assert model in CATALOG.models(service)
    assert model.status == "ga"
    assert {"audio_in", "audio_out", "input_transcription"} <= set(model.capabilities)


def test_a_service_has_its_own_models() -> None:
    assert len(CATALOG.models()) == 11
    assert {model.id for model in CATALOG.models("vertex")} == {
        "gemini-live-2.5-flash-preview-native-audio-09-2025",
        "gemini-2.5-flash-s2st-exp-11-2025",
        "gemini-live-2.5-flash-native-audio",
        "gemini-live-2.5-flash",
        "gemini-3.8-live",
        "gemini-3.5-live-translate-preview",
    }
    assert all(model.is_known and not model.is_retired for model in CATALOG.models())


@pytest.mark.parametrize(
    "name",
    [
        "gemini-3.8-live",
        "models/gemini-3.8-live",
        "publishers/google/models/gemini-3.8-live",
        "projects/p/locations/global/publishers/google/models/gemini-3.8-live",
    ],
)
def test_a_model_is_found_with_and_without_its_prefix(name: str) -> None:
    model = CATALOG.find_model(name)
    assert model is not None
    assert model.id == "gemini-3.8-live"
    assert model.services == ("dev", "vertex")


def test_a_model_is_found_by_its_alias() -> None:
    model = CATALOG.find_model("models/gemini-2.5-flash-s2st-11-2025-exp")
    assert model is not None
    assert model.id == "gemini-2.5-flash-s2st-exp-11-2025"
    assert model.successor == "gemini-3.5-live-translate-preview"


def test_a_model_that_is_not_listed_passes_as_unknown() -> None:
    model = CATALOG.find_model("models/gemini-9-live")
    assert model is not None
    assert model.id == "models/gemini-9-live"
    assert not model.is_known
    assert not model.is_retired
    assert model.services == ()


@pytest.mark.parametrize("name", ["", "a b", "../m", "m?x"])
def test_what_cannot_be_a_model_is_not_found(name: str) -> None:
    assert CATALOG.find_model(name) is None


def test_a_retired_model_is_found_with_its_successor() -> None:
    model = CATALOG.find_model("gemini-live-2.5-flash-preview-native-audio")
    assert model is not None
    assert model.is_retired
    assert model.is_known
    assert model.successor == "gemini-live-2.5-flash-native-audio"
    assert model not in CATALOG.models()


def test_no_name_means_two_models_and_every_successor_is_in_use() -> None:
    names = [name for model in CATALOG.models() for name in (model.id, *model.aliases)]
    assert len(names) == len(set(names))
    ids = {model.id for model in CATALOG.models()}
    assert len(CATALOG.retired) == 8
    assert not ids & {model.id for model in CATALOG.retired}
    assert {model.successor for model in (*CATALOG.models(), *CATALOG.retired)} - {None} <= ids


def test_voices_are_found_whatever_their_case() -> None:
    assert len(CATALOG.voices) == 30
    assert CATALOG.voice("puck") == Voice("Puck", "Upbeat")
    assert CATALOG.voice("Nobody") is None


def test_languages_are_found_by_their_code() -> None:
    assert len(CATALOG.languages) == 24
    assert CATALOG.language("EN_us") == Language("en-US", "English (United States)")
    assert CATALOG.language("xx-XX") is None

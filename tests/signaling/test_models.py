"""The list of models, and what a client may choose from it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from signaling.models import ModelsView, Wanted, models_view
from signaling.problems import Problem

pytestmark = pytest.mark.unit

DEV = models_view(live="dev", service="dev", model="gemini-3.8-live", voice="Puck")
VERTEX = models_view(live="vertex", service="vertex", model="gemini-live-2.5-flash-native-audio")


def refusal(view: ModelsView, **query: str) -> Problem:
    with pytest.raises(Problem) as caught:
        view.wanted(list(query.items()))
    return caught.value


def test_the_list_has_the_form_that_clients_rely_on() -> None:
    view = models_view(
        live="local", service="dev", model="gemini-3.8-live", language="de-DE", phrases=("Hello.",)
    )
    document = cast(dict[str, Any], view.document())
    assert document["live"] == "local"
    assert document["default"] == {"model": "gemini-3.8-live", "voice": None, "language": "de-DE"}
    assert document["phrases"] == ["Hello."]
    models = {model["id"]: model for model in document["models"]}
    assert "audio_out" in models["gemini-3.8-live"]["capabilities"]
    assert models["gemini-3.8-live"]["status"] == "ga"
    assert {"name": "Puck", "style": "Upbeat"} in document["voices"]
    assert {"code": "en-US", "name": "English (United States)"} in document["languages"]


def test_each_service_lists_its_own_models_and_no_retired_one() -> None:
    def ids(view: ModelsView) -> set[str]:
        return {model["id"] for model in cast(Any, view.document()["models"])}

    assert "gemini-3.8-live" in ids(DEV) & ids(VERTEX)
    assert "gemini-live-2.5-flash-native-audio" in ids(VERTEX) - ids(DEV)
    assert "gemini-2.0-flash-live-001" not in ids(DEV) | ids(VERTEX)


@pytest.mark.parametrize("view", [DEV, VERTEX])
def test_everything_listed_can_be_chosen(view: ModelsView) -> None:
    document = cast(Any, view.document())
    for key, entries, name in (
        ("model", document["models"], "id"),
        ("voice", document["voices"], "name"),
        ("language", document["languages"], "code"),
    ):
        for entry in entries:
            assert getattr(view.wanted([(key, entry[name])]), key) == entry[name]


def test_nothing_asked_is_the_default() -> None:
    assert DEV.wanted([]) == Wanted()
    assert DEV.wanted([("model", ""), ("voice", ""), ("language", "")]) == Wanted()


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("gemini-3.8-live", "gemini-3.8-live"),
        ("models/gemini-3.8-live", "gemini-3.8-live"),
        ("projects/other/locations/eu/publishers/google/models/gemini-3.8-live", "gemini-3.8-live"),
        ("gemini-2.5-flash-native-audio-latest", "gemini-2.5-flash-native-audio-latest"),
        ("gemini-4.0-live-preview-03-2027", "gemini-4.0-live-preview-03-2027"),
        ("models/gemini-4.0-live", "gemini-4.0-live"),
    ],
)
def test_known_and_future_models_pass_by_their_bare_name(name: str, sent: str) -> None:
    assert DEV.wanted([("model", name)]).model == sent


@pytest.mark.parametrize(
    "name",
    [
        "gpt-realtime",
        "gemini",
        "gemini-",
        "GEMINI-4",
        "gemini-4 live",
        "gemini-4\n",
        "gemini-4/../x",
        "tunedModels/mine",
        "projects/other/locations/eu/endpoints/123",
        "gemini-" + "a" * 200,
        "../gemini-4",
        "\x00",
        "é",
    ],
)
def test_what_cannot_be_a_gemini_model_is_refused(name: str) -> None:
    assert refusal(DEV, model=name).code == "unknown_model"


def test_a_retired_model_is_refused_with_its_successor() -> None:
    problem = refusal(DEV, model="gemini-2.0-flash-live-001")
    assert problem.code == "unknown_model"
    assert "retired" in problem.detail and "gemini-3.8-live" in problem.detail


def test_a_model_of_the_other_service_is_refused_with_where_it_is() -> None:
    problem = refusal(DEV, model="gemini-live-2.5-flash-native-audio")
    assert problem.code == "unknown_model" and "Vertex AI" in problem.detail
    assert refusal(VERTEX, model="gemini-3.8-live-extended-thinking").code == "unknown_model"


@pytest.mark.parametrize(
    ("query", "code", "hint"),
    [
        ({"model": "gemini_3.8_live"}, "unknown_model", "gemini-3.8-live"),
        ({"voice": "Puk"}, "unknown_voice", "Puck"),
        ({"voice": "zefyr"}, "unknown_voice", "Zephyr"),
        ({"voice": "@@@@"}, "unknown_voice", "/v1/models"),
        ({"language": "de"}, "unknown_language", "de-DE"),
        ({"language": "en-UK"}, "unknown_language", "en-US"),
        ({"language": "xxxxxxxxx"}, "unknown_language", "/v1/models"),
    ],
)
def test_a_refusal_names_what_is_closest(query: dict[str, str], code: str, hint: str) -> None:
    problem = refusal(DEV, **query)
    assert problem.code == code
    assert hint in problem.detail


def test_the_case_of_a_voice_or_language_is_put_right() -> None:
    assert DEV.wanted([("voice", "puck")]).voice == "Puck"
    assert DEV.wanted([("language", "EN-us")]).language == "en-US"


@pytest.mark.parametrize(
    ("settings", "blamed"),
    [
        ({"model": "gemini-2.0-flash-live-001"}, r"--model \(LIVEGATE_MODEL\): .*gemini-3.8-live"),
        ({"model": "gemini-live-2.5-flash-native-audio"}, "LIVEGATE_MODEL.*Vertex AI"),
        ({"voice": "Puk"}, r"--voice \(LIVEGATE_VOICE\): .*Puck"),
        ({"voice": "@@@@"}, "/v1/models of a running gateway lists them"),
        ({"language": "de"}, r"--language \(LIVEGATE_LANGUAGE\): .*de-DE"),
    ],
)
def test_a_default_that_cannot_work_is_a_config_error(
    settings: dict[str, str], blamed: str
) -> None:
    with pytest.raises(ConfigError, match=blamed):
        models_view(**cast(Any, {"live": "dev", "service": "dev", "model": "gemini-9"} | settings))


def test_the_operator_may_choose_a_model_that_clients_may_not() -> None:
    tuned = "projects/mine/locations/eu/endpoints/123"
    view = models_view(live="vertex", service="vertex", model=tuned, voice="puck")
    assert view.default == Wanted(model=tuned, voice="Puck")
    assert refusal(view, model=tuned).code == "unknown_model"


@pytest.mark.parametrize(
    "query",
    [
        [("instructions", "be rude")],
        [("Model", "gemini-3.8-live")],
        [("", "")],
        [("voice", "Puck"), ("voice", "Puck")],
        [("voice", ""), ("voice", "Puck")],
    ],
)
def test_other_and_doubled_parameters_are_refused(query: list[tuple[str, str]]) -> None:
    with pytest.raises(Problem) as caught:
        DEV.wanted(query)
    assert caught.value.code == "unknown_parameter"


@given(st.lists(st.tuples(st.sampled_from(["model", "voice", "language"]) | st.text(), st.text())))
def test_any_query_is_a_choice_or_a_problem(query: list[tuple[str, str]]) -> None:
    try:
        wanted = DEV.wanted(query)
    except Problem as problem:
        assert problem.code.startswith("unknown_")
        assert len(problem.detail) < 1000 and problem.detail.isprintable()
    else:
        assert wanted.model is None or wanted.model.startswith("gemini-")

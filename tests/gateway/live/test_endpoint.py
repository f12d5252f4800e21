"""Every URL and every form of a model's name that the services have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError, LiveRefused
from gateway.live.endpoint import Endpoint, is_model_name

pytestmark = pytest.mark.unit

DEV_PATH = "/ws/google.ai.generativelanguage.{}.GenerativeService.BidiGenerateContent"
VERTEX_PATH = "/ws/google.cloud.aiplatform.{}.LlmBidiService/BidiGenerateContent"
DEV_HOST = "wss://generativelanguage.googleapis.com"


def vertex(**values: Any) -> Endpoint:
    return Endpoint("vertex", **{"project": "p", "location": "us-central1", **values})


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (Endpoint(), DEV_HOST + DEV_PATH.format("v1beta")),
        (Endpoint("dev", version="v1"), DEV_HOST + DEV_PATH.format("v1")),
        (Endpoint("dev", version="v1alpha"), DEV_HOST + DEV_PATH.format("v1alpha")),
        (vertex(), "wss://us-central1-aiplatform.googleapis.com" + VERTEX_PATH.format("v1beta1")),
        (
            vertex(location="europe-west4", version="v1"),
            "wss://europe-west4-aiplatform.googleapis.com" + VERTEX_PATH.format("v1"),
        ),
        (
            vertex(location="global"),
            "wss://aiplatform.googleapis.com" + VERTEX_PATH.format("v1beta1"),
        ),
        (
            vertex(location="us"),
            "wss://aiplatform.us.rep.googleapis.com" + VERTEX_PATH.format("v1beta1"),
        ),
        (
            vertex(location="eu"),
            "wss://aiplatform.eu.rep.googleapis.com" + VERTEX_PATH.format("v1beta1"),
        ),
        (
            Endpoint("vertex"),  # express mode
            "wss://aiplatform.googleapis.com" + VERTEX_PATH.format("v1beta1"),
        ),
        (
            Endpoint(base_url="ws://127.0.0.1:9000"),
            "ws://127.0.0.1:9000" + DEV_PATH.format("v1beta"),
        ),
        (
            Endpoint(base_url="wss://live.example.com/", version="v1alpha"),
            "wss://live.example.com" + DEV_PATH.format("v1alpha"),
        ),
        (
            vertex(base_url="ws://[::1]:9000", location="eu"),
            "ws://[::1]:9000" + VERTEX_PATH.format("v1beta1"),
        ),
        (
            Endpoint(base_url="wss://proxy.example.com?tenant=7"),
            "wss://proxy.example.com" + DEV_PATH.format("v1beta") + "?tenant=7",
        ),
        (
            vertex(base_url="wss://proxy.example.com/gemini/live?x=1"),
            "wss://proxy.example.com/gemini/live?x=1",
        ),
    ],
)
def test_a_place_has_its_url(endpoint: Endpoint, url: str) -> None:
    assert endpoint.url == url


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        (Endpoint(), "generativelanguage.googleapis.com"),
        (Endpoint(base_url="ws://127.0.0.1:9000"), "127.0.0.1:9000"),
        (Endpoint(base_url="ws://[::1]:9000"), "[::1]:9000"),
        (Endpoint(base_url="wss://user:secret@example.com/x?key=secret"), "example.com"),
    ],
)
def test_the_host_is_fit_for_messages(endpoint: Endpoint, host: str) -> None:
    assert endpoint.host == host


@pytest.mark.parametrize(
    ("endpoint", "model", "path"),
    [
        (Endpoint(), "gemini-3.8-live", "models/gemini-3.8-live"),
        (Endpoint(), "models/gemini-3.8-live", "models/gemini-3.8-live"),
        (Endpoint(), "tunedModels/mine", "tunedModels/mine"),
        (vertex(location="eu"), "m-1@2", "projects/p/locations/eu/publishers/google/models/m-1@2"),
        (vertex(), "models/m", "projects/p/locations/us-central1/publishers/google/models/m"),
        (vertex(location="eu"), "m", "projects/p/locations/eu/publishers/google/models/m"),
        (vertex(), "other/m", "projects/p/locations/us-central1/publishers/other/models/m"),
        (
            vertex(),
            "publishers/google/models/m",
            "projects/p/locations/us-central1/publishers/google/models/m",
        ),
        (
            vertex(),
            "projects/q/locations/global/publishers/google/models/m",
            "projects/q/locations/global/publishers/google/models/m",
        ),
        (vertex(), "projects/q/locations/eu/endpoints/12", "projects/q/locations/eu/endpoints/12"),
        (Endpoint("vertex"), "m", "publishers/google/models/m"),
    ],
)  # fmt: skip
def test_a_model_has_the_services_name(endpoint: Endpoint, model: str, path: str) -> None:
    assert endpoint.model_path(model) == path


@pytest.mark.parametrize("endpoint", [Endpoint(), vertex()])
@pytest.mark.parametrize(
    "model",
    ["", "a..b", "../m", "models/../m", "m?x=1", "m&x", "m x", "m\n", "/m", "m/", "m//n", "ä", "#",
     "m" * 600],
)  # fmt: skip
def test_what_cannot_be_a_model_is_refused(endpoint: Endpoint, model: str) -> None:
    assert not is_model_name(model)
    with pytest.raises(LiveRefused, match="is not the name of a model"):
        endpoint.model_path(model)


def test_vertex_ai_has_no_model_with_three_names() -> None:
    with pytest.raises(LiveRefused, match="on Vertex AI"):
        vertex().model_path("a/b/c")


@given(st.text())
def test_any_text_is_a_name_of_a_model_or_refused(text: str) -> None:
    for endpoint in (Endpoint(), vertex()):
        try:
            path = endpoint.model_path(text)
        except LiveRefused:
            continue
        assert ".." not in path
        assert not set(path) & set("?&# \n%\\")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"version": "latest"}, "version of the API must be like v1beta, not 'latest'"),
        ({"version": "v1/../x"}, "version"),
        ({"service": "vertex", "project": "p"}, "needs a location"),
        ({"service": "vertex", "project": "p/q", "location": "eu"}, "project must be"),
        ({"service": "vertex", "project": "p", "location": "evil.com/"}, "location must be"),
        ({"base_url": "https://example.com"}, "an address like wss://host:port"),
        ({"base_url": "example.com:9000"}, "an address like"),
        ({"base_url": "ws://"}, "an address like"),
        ({"base_url": "ws://host:99999"}, "cannot be read"),
        ({"base_url": "ws://[::1"}, "cannot be read"),
    ],
)
def test_a_place_that_cannot_be_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Endpoint(**values)

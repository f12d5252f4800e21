from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.endpoint import Endpoint
from gateway.live.local.access import credential, find_place
from gateway.live.local.rules import Place

pytestmark = pytest.mark.unit

DEV = "/ws/google.ai.generativelanguage.{}.GenerativeService.BidiGenerateContent"
VERTEX = "/ws/google.cloud.aiplatform.{}.LlmBidiService/BidiGenerateContent"


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha", "v1beta1"])
def test_both_services_are_found_in_every_version(version: str) -> None:
    assert find_place(DEV.format(version)) == Place("dev", version)
    assert find_place(VERTEX.format(version)) == Place("vertex", version)
    assert find_place(DEV.format(version) + "Constrained?access_token=x") == Place("dev", version)


@pytest.mark.parametrize("path", [DEV.format("v1"), VERTEX.format("v1")])
def test_doubled_slashes_are_collapsed(path: str) -> None:
    assert find_place("/" + path) == find_place(path)
    assert find_place(path.replace("/", "//")) == find_place(path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ws",
        DEV.format("v2"),
        DEV.format("v1").lower(),
        DEV.format("v1").replace(".Bidi", "/Bidi"),
        VERTEX.format("v1").replace("/Bidi", ".Bidi"),
        VERTEX.format("v1") + "Constrained",
        DEV.format("v1") + "/",
        DEV.format("v1").replace("Content", "Music"),
    ],
)
def test_other_paths_are_nowhere(path: str) -> None:
    assert find_place(path) is None


@pytest.mark.parametrize("service", ["dev", "vertex"])
def test_the_gateways_own_address_is_found(service: str) -> None:
    endpoint = Endpoint(service, base_url="ws://127.0.0.1:9090")  # type: ignore[arg-type]
    place = find_place(endpoint.url.removeprefix("ws://127.0.0.1:9090"))
    assert place is not None
    assert place.service == service


@pytest.mark.parametrize(
    ("target", "headers", "found"),
    [
        ("/x", {}, ""),
        ("/x?key=abc", {}, "abc"),
        ("/x?access_token=auth_tokens/t", {}, "auth_tokens/t"),
        ("/x?key=k", {"x-goog-api-key": "header"}, "header"),
        ("/x", {"Authorization": "Bearer ya29.x"}, "ya29.x"),
        ("/x", {"Authorization": "Token auth_tokens/t", "x-goog-api-key": "k"}, "auth_tokens/t"),
        ("/x", {"Authorization": "bearer  t "}, "t"),
        ("/x", {"Authorization": "Basic abc"}, ""),
        ("/x", {"Authorization": "Bearer"}, ""),
    ],
)
def test_the_credential_is_found_wherever_clients_put_it(
    target: str, headers: dict[str, str], found: str
) -> None:
    assert credential(target, headers) == found


@given(st.text(), st.text())
def test_any_target_and_header_can_be_looked_at(target: str, header: str) -> None:
    assert find_place(target) is None
    assert isinstance(credential(target, {"Authorization": header}), str)

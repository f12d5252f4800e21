"""``PATCH`` of a call, in front of calls that do as they are told: headers, bodies, refusals."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from gateway.errors import BadFragment, BadOffer, CannotChange, GatewayError, UnknownUfrag
from signaling.server import HttpServer
from tests.signaling.conftest import Serve
from tests.signaling.support import (
    ANSWER,
    FRAGMENT,
    OFFER,
    RESTART,
    RESTARTED,
    SDP,
    FakeCalls,
    Wire,
    assert_problem,
)

pytestmark = pytest.mark.integration

FIRST = {"If-Match": '"first"'}
ANY = {"If-Match": "*"}


async def patch(
    http: aiohttp.ClientSession, url: str, **options: Any
) -> tuple[aiohttp.ClientResponse, bytes]:
    async with http.patch(url, **options) as response:
        return response, await response.read()


async def problem(http: aiohttp.ClientSession, url: str, **options: Any) -> str:
    response, body = await patch(http, url, **options)
    return assert_problem(response.status, response.headers, body)


@pytest.fixture
async def url(server: HttpServer, http: aiohttp.ClientSession) -> str:
    """Of an open call."""
    async with http.post(f"{server.url}/v1/calls", data=OFFER, headers=SDP) as response:
        return response.headers["Location"]


async def test_candidates_are_taken_without_a_word(
    url: str, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    response, body = await patch(http, url, data=RESTART, headers=FRAGMENT | FIRST)
    assert (response.status, body) == (204, b"")
    assert calls.patches == [("call_1", RESTART, {"first"})]


async def test_a_restart_is_answered_by_a_fragment_and_a_new_tag(
    url: str, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    response, body = await patch(http, url, data=RESTART, headers=FRAGMENT | ANY)
    assert (response.status, body.decode()) == (200, RESTARTED)
    assert response.headers["Content-Type"] == "application/trickle-ice-sdpfrag"
    assert response.headers["ETag"] == '"second"'
    assert response.headers["Cache-Control"] == "no-store"
    assert calls.patches == [("call_1", RESTART, None)]
    assert await problem(http, url, data=RESTART, headers=FRAGMENT | FIRST) == "stale_etag"


@pytest.mark.parametrize("condition", [{}, ANY, FIRST, {"If-Match": '"other", "first"'}])
async def test_a_later_offer_is_answered_with_or_without_a_tag(
    url: str, http: aiohttp.ClientSession, condition: dict[str, str]
) -> None:
    headers = {"Content-Type": "application/sdp; charset=utf-8"} | condition
    response, body = await patch(http, url, data=OFFER, headers=headers)
    assert (response.status, body.decode()) == (200, ANSWER)
    assert response.headers["Content-Type"] == "application/sdp"
    assert response.headers["ETag"] == '"first"'


async def test_a_fragment_says_which_generation_it_means(
    url: str, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    assert await problem(http, url, data=RESTART, headers=FRAGMENT) == "etag_required"
    assert calls.patches == []


@pytest.mark.parametrize("tag", ['"second"', 'W/"first"', '"*"', "first", "", "'", '"fir', '"a""'])
@pytest.mark.parametrize("kind", [SDP, FRAGMENT])
async def test_a_tag_that_is_not_the_calls_changes_nothing(
    url: str, calls: FakeCalls, http: aiohttp.ClientSession, tag: str, kind: dict[str, str]
) -> None:
    code = await problem(http, url, data=RESTART, headers=kind | {"If-Match": tag})
    assert code == "stale_etag"
    assert calls.patches == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/sdpfrag"},
        {"Content-Type": ""},
        FRAGMENT | {"Content-Encoding": "gzip"},
    ],
)
async def test_another_type_is_refused_with_those_that_are_taken(
    url: str, calls: FakeCalls, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    response, body = await patch(http, url, data=RESTART.encode(), headers=headers | ANY)
    assert assert_problem(response.status, response.headers, body) == "wrong_content_type"
    assert response.headers["Accept-Patch"] == "application/sdp, application/trickle-ice-sdpfrag"
    assert calls.patches == []


@pytest.mark.parametrize("body", [b"", b" \r\n", b"a=ice-ufrag:\xff"])
@pytest.mark.parametrize(("kind", "code"), [(SDP, "bad_offer"), (FRAGMENT, "bad_fragment")])
async def test_a_body_that_is_no_text_is_refused(
    url: str,
    calls: FakeCalls,
    http: aiohttp.ClientSession,
    body: bytes,
    kind: dict[str, str],
    code: str,
) -> None:
    assert await problem(http, url, data=body, headers=kind | ANY) == code
    assert calls.patches == []


@pytest.mark.parametrize("kind", [SDP, FRAGMENT])
async def test_a_body_of_64_kib_is_taken_and_one_byte_more_is_not(
    url: str, calls: FakeCalls, http: aiohttp.ClientSession, kind: dict[str, str]
) -> None:
    response, _ = await patch(http, url, data=b"v" * 65536, headers=kind | ANY)
    assert response.status == 200
    code = await problem(http, url, data=b"v" * 65537, headers=kind | ANY)
    assert code == "offer_too_large"
    assert len(calls.patches) == 1


async def test_a_fragment_that_does_not_come_is_not_waited_for(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    server = await serve(body_s=0.1)
    async with http.post(f"{server.url}/v1/calls", data=OFFER, headers=SDP) as response:
        assert response.status == 201
    async with await Wire.open(server.url) as wire:
        await wire.send(
            b"PATCH /v1/calls/call_1 HTTP/1.1\r\nHost: localhost\r\nIf-Match: *\r\n"
            b"Content-Type: application/trickle-ice-sdpfrag\r\nContent-Length: 9\r\n\r\na="
        )
        assert (await wire.expect()).code == "offer_too_slow"


async def test_a_call_that_is_over_or_unknown_cannot_be_changed(
    url: str, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    calls.hang_up("call_1")
    for kind in (SDP, FRAGMENT | ANY, FRAGMENT | FIRST):
        assert await problem(http, url, data=RESTART, headers=kind) == "call_ended"
        code = await problem(http, f"{url}0", data=RESTART, headers=kind)
        assert code == "unknown_call"
    assert calls.patches == []


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (BadFragment("the fragment has no ICE credentials"), FRAGMENT, "bad_fragment"),
        (UnknownUfrag("Not of the offer."), FRAGMENT, "unknown_ufrag"),
        (CannotChange("Not this engine."), FRAGMENT, "cannot_change_connection"),
        (BadOffer("the fingerprint changed"), SDP, "bad_offer"),
    ],
)
async def test_what_the_peer_refuses_is_told_with_its_words(
    url: str,
    calls: FakeCalls,
    http: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    error: GatewayError,
    kind: dict[str, str],
    code: str,
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(calls, "_change", refuse)
    response, body = await patch(http, url, data=RESTART, headers=kind | ANY)
    assert assert_problem(response.status, response.headers, body) == code
    assert json.loads(body)["detail"] == str(error)


async def test_a_page_elsewhere_may_restart_ice_and_read_the_tag(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    origin = {"Origin": "https://app.example.com"}
    server = await serve(origins=(origin["Origin"],))
    asked = origin | {
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "content-type,if-match",
    }
    async with http.options(f"{server.url}/v1/calls/call_1", headers=asked) as response:
        assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
        allowed = response.headers["Access-Control-Allow-Headers"].lower()
        assert "if-match" in allowed and "content-type" in allowed
    async with http.post(f"{server.url}/v1/calls", data=OFFER, headers=SDP | origin) as response:
        url = response.headers["Location"]
    response, _ = await patch(http, url, data=RESTART, headers=FRAGMENT | ANY | origin)
    assert response.status == 200
    assert response.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    assert "ETag" in response.headers["Access-Control-Expose-Headers"]
    evil = FRAGMENT | ANY | {"Origin": "http://evil.example"}
    assert await problem(http, url, data=RESTART, headers=evil) == "foreign_origin"


async def test_of_many_restarts_at_once_each_is_answered(
    url: str, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    answers = await asyncio.gather(
        *(patch(http, url, data=RESTART, headers=FRAGMENT | ANY) for _ in range(20))
    )
    assert {response.status for response, _ in answers} == {200}
    assert len(calls.patches) == 20

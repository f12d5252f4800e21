"""The addresses, over a loopback socket: what a client sends and what it hears."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import aiohttp
import pytest
from ulid import ULID

from gateway.errors import (
    BadOffer,
    Draining,
    GatewayError,
    NoCommonCodec,
    TooManyCalls,
    UnknownCall,
)
from signaling.models import ModelsView
from signaling.server import HttpServer
from tests.signaling.conftest import Serve
from tests.signaling.support import ANSWER, OFFER, SDP, FakeCalls, assert_problem

pytestmark = pytest.mark.integration


async def ask(
    http: aiohttp.ClientSession, method: str, url: str, **options: Any
) -> tuple[aiohttp.ClientResponse, bytes]:
    async with http.request(method, url, **options) as response:
        return response, await response.read()


async def problem(http: aiohttp.ClientSession, method: str, url: str, **options: Any) -> str:
    response, body = await ask(http, method, url, **options)
    return assert_problem(response.status, response.headers, body)


async def test_an_offer_opens_a_call(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    response, body = await ask(http, "POST", f"{server.url}/v1/calls", data=OFFER, headers=SDP)
    assert response.status == 201
    assert response.headers["Content-Type"] == "application/sdp"
    assert body.decode() == ANSWER
    assert response.headers["Location"] == f"{server.url}/v1/calls/call_1"
    assert response.headers["ETag"] == '"first"'
    assert calls.offers == [OFFER]


async def test_location_is_on_the_host_the_client_used(
    server: HttpServer, http: aiohttp.ClientSession
) -> None:
    headers = SDP | {
        "Host": "LocalHost:9999",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example;proto=https",
    }
    response, _ = await ask(http, "POST", f"{server.url}/v1/calls", data=OFFER, headers=headers)
    assert response.headers["Location"] == "http://LocalHost:9999/v1/calls/call_1"


@pytest.mark.parametrize(
    "content_type", ["application/sdp", "application/sdp; charset=utf-8", "Application/SDP ;x=y"]
)
async def test_parameters_of_the_content_type_do_not_matter(
    server: HttpServer, http: aiohttp.ClientSession, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    response, _ = await ask(http, "POST", f"{server.url}/v1/calls", data=OFFER, headers=headers)
    assert response.status == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/sdpx"},
        {"Content-Type": ""},
        {"Content-Type": "application/trickle-ice-sdpfrag"},
        SDP | {"Content-Encoding": "gzip"},
    ],
)
async def test_another_type_is_refused_with_the_one_that_is_taken(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    response, body = await ask(
        http, "POST", f"{server.url}/v1/calls", data=OFFER.encode(), headers=headers
    )
    assert assert_problem(response.status, response.headers, body) == "wrong_content_type"
    assert response.headers["Accept-Post"] == "application/sdp"
    assert calls.offers == []


async def test_a_missing_type_is_refused(server: HttpServer, http: aiohttp.ClientSession) -> None:
    code = await problem(
        http,
        "POST",
        f"{server.url}/v1/calls",
        data=OFFER.encode(),
        skip_auto_headers=["Content-Type"],
    )
    assert code == "wrong_content_type"


@pytest.mark.parametrize("body", [b"", b" \r\n", b"v=0\r\ns=\xff\xfe\r\n"])
async def test_a_body_that_is_no_text_is_a_bad_offer(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession, body: bytes
) -> None:
    assert (
        await problem(http, "POST", f"{server.url}/v1/calls", data=body, headers=SDP)
    ) == "bad_offer"
    assert calls.offers == []


async def test_an_offer_of_64_kib_is_taken_and_one_byte_more_is_not(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    url = f"{server.url}/v1/calls"
    response, _ = await ask(http, "POST", url, data=b"v" * 65536, headers=SDP)
    assert response.status == 201
    assert await problem(http, "POST", url, data=b"v" * 65537, headers=SDP) == "offer_too_large"
    assert len(calls.offers) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadOffer("The offer has no audio section."), "bad_offer"),
        (NoCommonCodec("Only speex was offered."), "no_common_codec"),
        (TooManyCalls("50 calls are open."), "too_many_calls"),
        (Draining("The gateway is stopping."), "draining"),
    ],
)
async def test_what_calls_refuse_is_told_with_their_words(
    server: HttpServer,
    calls: FakeCalls,
    http: aiohttp.ClientSession,
    error: GatewayError,
    code: str,
) -> None:
    calls.fault = error
    response, body = await ask(http, "POST", f"{server.url}/v1/calls", data=OFFER, headers=SDP)
    assert assert_problem(response.status, response.headers, body) == code
    assert json.loads(body)["detail"] == str(error)
    if response.status == 503:
        assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("colour=blue", "unknown_parameter"),
        ("voice=Puck&voice=Kore", "unknown_parameter"),
        ("voice=Nobody", "unknown_voice"),
        ("language=tlh", "unknown_language"),
        ("model=gpt-live", "unknown_model"),
        ("model=%ff%00", "unknown_model"),
    ],
)
async def test_the_query_is_checked_before_a_call_is_made(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession, query: str, code: str
) -> None:
    url = f"{server.url}/v1/calls?{query}"
    assert await problem(http, "POST", url, data=OFFER, headers=SDP) == code
    assert calls.offers == []


async def test_the_query_chooses_model_voice_and_language(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    url = f"{server.url}/v1/calls?voice=Kore&language=de-DE&model=gemini-9-live"
    response, _ = await ask(http, "POST", url, data=OFFER, headers=SDP)
    assert response.status == 201
    settings = calls.made["call_1"].settings
    assert (settings.model, settings.voice, settings.language) == ("gemini-9-live", "Kore", "de-DE")


async def test_a_call_can_be_looked_at(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    await ask(http, "POST", f"{server.url}/v1/calls?voice=Puck", data=OFFER, headers=SDP)
    response, body = await ask(http, "GET", f"{server.url}/v1/calls/call_1")
    assert response.status == 200 and response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert json.loads(body) == {
        "id": "call_1",
        "state": "listening",
        "created_at": "2026-11-22T20:00:00.123Z",
        "age_ms": 12500,
        "config": {"model": "gemini-3.8-live", "voice": "Puck", "language": None},
        "ended": None,
        "counters": {"uplink_frames": 600},
    }


async def test_hanging_up_twice_is_fine_until_the_call_is_forgotten(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    url = f"{server.url}/v1/calls/call_1"
    await ask(http, "POST", f"{server.url}/v1/calls", data=OFFER, headers=SDP)
    for _ in range(2):
        response, body = await ask(http, "DELETE", url)
        assert response.status == 200
        assert json.loads(body)["ended"] == {"reason": "hangup", "message": "The call was hung up."}
    calls.made.clear()
    assert await problem(http, "DELETE", url) == "unknown_call"
    assert await problem(http, "GET", url) == "unknown_call"
    assert await problem(http, "POST", f"{url}/hangup") == "unknown_call"


@pytest.mark.parametrize("content_type", ["text/plain;charset=UTF-8", "application/json", None])
async def test_a_beacon_hangs_up_whatever_it_carries(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession, content_type: str | None
) -> None:
    await ask(http, "POST", f"{server.url}/v1/calls", data=OFFER, headers=SDP)
    headers = {"Content-Type": content_type} if content_type else {}
    url = f"{server.url}/v1/calls/call_1/hangup"
    response, _ = await ask(http, "POST", url, data=b"{bye", headers=headers)
    assert response.status == 200
    assert calls.hung_up == ["call_1"]


async def test_options_say_what_may_be_posted(
    server: HttpServer, http: aiohttp.ClientSession
) -> None:
    response, body = await ask(http, "OPTIONS", f"{server.url}/v1/calls")
    assert (response.status, body) == (204, b"")
    assert response.headers["Accept-Post"] == "application/sdp"
    assert response.headers["Allow"] == "OPTIONS, POST"
    response, _ = await ask(http, "OPTIONS", f"{server.url}/v1/calls/call_unheard_of")
    assert response.status == 204
    assert response.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
    assert "Accept-Post" not in response.headers
    assert response.headers["Accept-Patch"] == "application/sdp, application/trickle-ice-sdpfrag"


async def test_a_listed_origin_passes_the_pre_flight_and_can_read_the_answer(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    origin = "https://app.example.com"
    server = await serve(origins=(origin,))
    url = f"{server.url}/v1/calls"
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    response, _ = await ask(http, "OPTIONS", url, headers=asked)
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "content-type" in response.headers["Access-Control-Allow-Headers"].lower()
    assert int(response.headers["Access-Control-Max-Age"]) > 0
    for headers in (SDP, {"Content-Type": "text/plain"}):  # errors can be read as well
        response, _ = await ask(http, "POST", url, data=OFFER, headers=headers | {"Origin": origin})
        assert response.headers["Access-Control-Allow-Origin"] == origin
        assert "Origin" in response.headers["Vary"]
        exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"Location", "ETag", "Link", "X-Request-Id"} <= set(exposed)


async def test_without_an_origin_there_is_nothing_of_cors(
    server: HttpServer, http: aiohttp.ClientSession
) -> None:
    response, _ = await ask(http, "GET", f"{server.url}/v1/models")
    assert not [name for name in response.headers if name.startswith("Access-Control")]
    assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://localhost"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/calls"), ("OPTIONS", "/v1/calls"), ("GET", "/"), ("DELETE", "/v1/calls/x")],
)
async def test_a_foreign_page_gets_nothing(
    server: HttpServer,
    calls: FakeCalls,
    http: aiohttp.ClientSession,
    origin: str,
    method: str,
    path: str,
) -> None:
    headers = SDP | {"Origin": origin, "Access-Control-Request-Method": "POST"}
    response, body = await ask(http, method, server.url + path, data=OFFER, headers=headers)
    assert assert_problem(response.status, response.headers, body) == "foreign_origin"
    assert not [name for name in response.headers if name.startswith("Access-Control")]
    assert calls.offers == []


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8080", "192.168.0.1"])
@pytest.mark.parametrize("path", ["/", "/v1/calls", "/healthz", "/nowhere"])
async def test_a_rebound_name_gets_nothing(
    server: HttpServer, http: aiohttp.ClientSession, host: str, path: str
) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert await problem(http, "GET", server.url + path, headers=headers) == "foreign_host"


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("Gate.example:8443", ("'gate.example'", "--origins http://gate.example:8443 ")),
        ("192.168.0.1", ("'192.168.0.1'", "--origins http://192.168.0.1 ")),
        ("[2001:DB8::1]:80", ("'2001:db8::1'", "--origins http://[2001:db8::1]:80 ")),
        ("a b", ("'a b'", "not a name")),
        ("x" * 300, ("…", "not a name")),
    ],
)
async def test_a_refused_host_is_named_with_the_way_out(
    server: HttpServer, http: aiohttp.ClientSession, host: str, named: tuple[str, ...]
) -> None:
    _, body = await ask(http, "GET", f"{server.url}/healthz", headers={"Host": host})
    detail = json.loads(body)["detail"]
    assert all(words in detail for words in named), detail
    assert len(detail) < 400


async def test_the_gateways_own_page_may_call(
    server: HttpServer, http: aiohttp.ClientSession
) -> None:
    headers = SDP | {"Origin": server.url}
    response, _ = await ask(http, "POST", f"{server.url}/v1/calls", data=OFFER, headers=headers)
    assert response.status == 201


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/calls", "OPTIONS, POST"),
        ("HEAD", "/v1/calls", "OPTIONS, POST"),
        ("PUT", "/v1/calls", "OPTIONS, POST"),
        ("PUT", "/v1/calls/call_1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("POST", "/v1/calls/call_1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("GET", "/v1/calls/call_1/hangup", "OPTIONS, POST"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
        ("DELETE", "/healthz", "GET, HEAD, OPTIONS"),
        ("POST", "/readyz", "GET, HEAD, OPTIONS"),
        ("POST", "/", "GET, HEAD, OPTIONS"),
        ("DELETE", "/static/app.js", "GET, HEAD, OPTIONS"),
    ],
)
async def test_another_method_is_told_which_are_allowed(
    server: HttpServer, http: aiohttp.ClientSession, method: str, path: str, allowed: str
) -> None:
    response, body = await ask(http, method, server.url + path)
    assert response.status == 405
    assert response.headers["Allow"] == allowed
    if method != "HEAD":
        assert assert_problem(405, response.headers, body) == "method_not_allowed"


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1", "/v1/", "/v1/calls/", "/v1/calls/a/b", "/V1/CALLS", "/static", "//"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_unknown_address_is_a_problem_too(
    server: HttpServer, http: aiohttp.ClientSession, method: str, path: str
) -> None:
    assert await problem(http, method, server.url + path) == "not_found"


async def test_models_are_listed(
    server: HttpServer, models: ModelsView, http: aiohttp.ClientSession
) -> None:
    response, body = await ask(http, "GET", f"{server.url}/v1/models")
    assert response.status == 200
    assert json.loads(body) == models.document()


async def test_a_head_is_a_get_without_its_body(
    server: HttpServer, http: aiohttp.ClientSession
) -> None:
    _, whole = await ask(http, "GET", f"{server.url}/v1/models")
    response, body = await ask(http, "HEAD", f"{server.url}/v1/models")
    assert (response.status, body) == (200, b"")
    assert int(response.headers["Content-Length"]) == len(whole)


async def test_readiness_ends_with_draining_and_health_does_not(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    response, _ = await ask(http, "GET", f"{server.url}/readyz")
    assert response.status == 200
    calls.accepting = False
    assert await problem(http, "GET", f"{server.url}/readyz") == "draining"
    response, _ = await ask(http, "GET", f"{server.url}/healthz")
    assert response.status == 200


@pytest.mark.parametrize("sane", ["abc", "01K9-x.y_z:7", "a" * 64])
async def test_a_sane_request_id_is_kept(
    server: HttpServer, http: aiohttp.ClientSession, sane: str
) -> None:
    headers = {"X-Request-Id": sane}
    for path in ("/healthz", "/nowhere", "/v1/calls/x"):
        response, _ = await ask(http, "GET", server.url + path, headers=headers)
        assert response.headers.getall("X-Request-Id") == [sane]


@pytest.mark.parametrize("odd", ["", "a" * 65, "a b", 'x"y', "<b>", "-x", "é"])
async def test_an_odd_request_id_is_replaced_by_a_new_one(
    server: HttpServer, http: aiohttp.ClientSession, odd: str
) -> None:
    headers = {"X-Request-Id": odd}
    response, _ = await ask(http, "GET", f"{server.url}/healthz", headers=headers)
    assert str(ULID.from_str(response.headers["X-Request-Id"])) == response.headers["X-Request-Id"]


async def test_a_bug_is_logged_with_its_request_id_and_tells_the_client_nothing(
    server: HttpServer,
    calls: FakeCalls,
    http: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls.fault = ZeroDivisionError("the secret of the machine")
    response, body = await ask(http, "POST", f"{server.url}/v1/calls", data=OFFER, headers=SDP)
    assert assert_problem(response.status, response.headers, body) == "internal"
    assert b"secret" not in body and b"ZeroDivision" not in body
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert response.headers["X-Request-Id"] in record.getMessage()
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError


async def test_a_timeout_inside_is_a_bug_and_not_a_slow_client(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    calls.fault = TimeoutError()
    code = await problem(http, "POST", f"{server.url}/v1/calls", data=OFFER, headers=SDP)
    assert code == "internal"


async def test_unknown_call_says_so_in_words(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    calls.fault = UnknownCall("There is no such call.")
    _, body = await ask(http, "GET", f"{server.url}/v1/calls/%2e%2e%2fmodels")
    assert json.loads(body)["detail"] == "There is no such call."


async def test_fifty_offers_at_once_are_fifty_calls(
    server: HttpServer, calls: FakeCalls, http: aiohttp.ClientSession
) -> None:
    url = f"{server.url}/v1/calls"
    answers = await asyncio.gather(
        *(ask(http, "POST", url, data=OFFER, headers=SDP) for _ in range(50))
    )
    assert {response.status for response, _ in answers} == {201}
    assert len({response.headers["Location"] for response, _ in answers}) == len(calls.made) == 50


async def test_no_line_of_the_log_has_a_query_an_offer_or_a_path_of_the_clients(
    server: HttpServer,
    http: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.handler.setLevel(logging.DEBUG)
    secret = "s3cr3t"
    for path in (f"/v1/calls?token={secret}", f"/v1/calls?model={secret}", f"/{secret}"):
        await ask(http, "POST", server.url + path, data=f"{OFFER}a={secret}", headers=SDP)
    await ask(http, "GET", f"{server.url}/v1/calls/{secret}?key={secret}")
    lines = [record.getMessage() for record in caplog.records if "signaling" in record.name]
    assert any("POST /v1/calls 400" in line for line in lines)
    assert any("GET /v1/calls/{id} 404" in line for line in lines)
    assert not [record for record in caplog.records if secret in record.getMessage()]

"""HTTP at its edges, byte by byte: what no well-behaved client library would send."""

from __future__ import annotations

import asyncio
import logging

import pytest

from signaling.server import HttpServer
from tests.signaling.conftest import Serve
from tests.signaling.support import OFFER, FakeCalls, Wire, post

pytestmark = pytest.mark.integration

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_too_large_an_offer_leaves_the_connection_usable(server: HttpServer) -> None:
    async with await Wire.open(server.url) as wire:
        await wire.send(post(b"v" * 70_000))
        assert (await wire.expect()).code == "offer_too_large"
        await wire.send(GET)
        assert (await wire.expect()).status == 200


async def test_too_large_an_offer_in_chunks_leaves_the_connection_usable(
    server: HttpServer, calls: FakeCalls
) -> None:
    head = (
        b"POST /v1/calls HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    async with await Wire.open(server.url) as wire:
        await wire.send(head + b"8000\r\n" + b"v" * 0x8000 + b"\r\n")
        await wire.send(b"8001\r\n" + b"v" * 0x8001 + b"\r\n")
        assert (await wire.expect()).code == "offer_too_large"  # before the body has ended
        await wire.send(b"0\r\n\r\n" + GET)
        assert (await wire.expect()).status == 200
    assert calls.offers == []


async def test_a_body_that_nobody_reads_is_not_decoded(
    server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with await Wire.open(server.url) as wire:
        await wire.send(post(b"no gzip", more="Content-Encoding: gzip\r\n"))
        assert (await wire.expect()).code == "wrong_content_type"
        await wire.send(GET)
        assert (await wire.expect()).status == 200
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_an_offer_in_small_chunks_is_put_together(
    server: HttpServer, calls: FakeCalls
) -> None:
    head = (
        b"POST /v1/calls HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    async with await Wire.open(server.url) as wire:
        await wire.send(head)
        for byte in OFFER.encode():
            await wire.send(b"1\r\n%c\r\n" % byte)
        await wire.send(b"0\r\n\r\n")
        assert (await wire.expect()).status == 201
    assert calls.offers == [OFFER]


async def test_a_client_that_asks_first_is_told_to_continue(server: HttpServer) -> None:
    async with await Wire.open(server.url) as wire:
        head, _, body = post(more="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
        await wire.send(head + b"\r\n\r\n")
        assert (await wire.expect()).status == 100
        await wire.send(body)
        assert (await wire.expect()).status == 201


async def test_a_client_that_asks_first_is_refused_before_it_sends(server: HttpServer) -> None:
    head = (
        b"POST /v1/calls HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n"
        b"Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n"
    )
    async with await Wire.open(server.url) as wire:
        await wire.send(head)
        response = await wire.expect()
        assert response.code == "offer_too_large"
        assert response.headers["Connection"] == "close"


@pytest.mark.parametrize("path", ["/v1/calls", "/nowhere"])
async def test_an_unknown_expectation_does_no_harm(server: HttpServer, path: str) -> None:
    async with await Wire.open(server.url) as wire:
        await wire.send(post(target=path, more="Expect: a-miracle\r\n"))
        response = await wire.expect()
        assert response.status == 201 or response.code in ("not_found", "bad_request")


async def test_a_body_that_stops_is_given_up(serve: Serve, calls: FakeCalls) -> None:
    server = await serve(body_s=0.05)
    async with await Wire.open(server.url) as wire:
        await wire.send(post(OFFER.encode())[:-10])
        response = await wire.expect()
        assert response.code == "offer_too_slow"
        assert response.headers["Connection"] == "close"
    assert calls.offers == []


async def test_a_body_that_drips_is_given_up(serve: Serve, calls: FakeCalls) -> None:
    server = await serve(body_s=0.1)
    async with await Wire.open(server.url) as wire:
        head, _, body = post(b"v" * 1000).partition(b"\r\n\r\n")
        await wire.send(head + b"\r\n\r\n")

        async def drip() -> None:
            for byte in body:
                await wire.send(bytes([byte]))
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        assert (await wire.expect()).code == "offer_too_slow"
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
    assert calls.offers == []


async def test_a_client_that_leaves_before_its_offer_is_whole_makes_no_call(
    server: HttpServer, calls: FakeCalls, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wire = await Wire.open(server.url)
    await wire.send(post()[:-10])
    async with await Wire.open(server.url) as other:
        await other.send(GET)  # answered after the server has seen the offer begin
        await other.expect()
        wire.abort()
        await other.send(GET)
        await other.expect()
    await server.stop()  # waits for what is still at work
    assert calls.offers == []
    assert any("POST /v1/calls 499" in record.getMessage() for record in caplog.records)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("polite", [True, False])
async def test_a_client_that_leaves_before_the_answer_leaves_no_call(
    server: HttpServer, calls: FakeCalls, caplog: pytest.LogCaptureFixture, polite: bool
) -> None:
    calls.gate.clear()
    wire = await Wire.open(server.url)
    await wire.send(post())
    await calls.entered.wait()
    if polite:
        await wire.aclose()
    else:
        wire.abort()
    async with await Wire.open(server.url) as other:
        await other.send(GET)  # answered after the server has seen the other one leave
        await other.expect()
    calls.gate.set()
    async with asyncio.timeout(5):
        await calls.left.wait()
    assert calls.hung_up == ["call_1"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_server_that_stops_lets_a_call_be_answered(
    server: HttpServer, calls: FakeCalls
) -> None:
    calls.gate.clear()
    url = server.url
    async with await Wire.open(url) as wire:
        await wire.send(post())
        await calls.entered.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        calls.gate.set()
        assert (await wire.expect()).status == 201
        await stopping
        assert await wire.at_end()
    assert calls.hung_up == []
    with pytest.raises(ConnectionRefusedError):
        await Wire.open(url)


async def test_pipelined_requests_are_answered_in_order(server: HttpServer) -> None:
    async with await Wire.open(server.url) as wire:
        await wire.send(GET + post() + GET.replace(b"/healthz", b"/nowhere") + post(b"") + GET)
        got = [await wire.expect() for _ in range(5)]
    assert [response.status for response in got] == [200, 201, 404, 400, 200]
    assert len({response.headers["X-Request-Id"] for response in got}) == 5


async def test_what_is_not_http_is_a_problem_and_ends_the_connection(
    server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for garbage in (
        b"\x16\x03\x01\x02\x00\x01\x00s3cr3t\r\n\r\n",  # TLS to a plain port
        b"FROB /s3cr3t HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon s3cr3t\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"s3cr3t" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"s3cr3t" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/calls HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/calls HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
        b"Content-Length: 2\r\n\r\nxx",
        b"POST /v1/calls HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ):
        async with await Wire.open(server.url) as wire:
            await wire.send(garbage)
            response = await wire.expect()
            assert response.code == "bad_request"
            assert b"s3cr3t" not in response.body
            assert await wire.at_end()
    assert not [record for record in caplog.records if "s3cr3t" in record.getMessage()]
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_broken_chunk_is_a_problem(server: HttpServer, calls: FakeCalls) -> None:
    async with await Wire.open(server.url) as wire:
        await wire.send(
            b"POST /v1/calls HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"
        )
        assert (await wire.expect()).code == "bad_request"
    assert calls.offers == []


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "OPTIONS http://evil.example/v1/calls HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
async def test_a_forged_host_is_refused(server: HttpServer, head: str) -> None:
    async with await Wire.open(server.url) as wire:
        await wire.send(head.encode())
        assert (await wire.expect()).code == "foreign_host"


async def test_two_hosts_are_refused(server: HttpServer) -> None:
    async with await Wire.open(server.url) as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert (await wire.expect()).code in ("foreign_host", "bad_request")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ("GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n", 200),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        ("GET //evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    ],
)
async def test_odd_targets_are_only_addresses(server: HttpServer, head: str, status: int) -> None:
    async with await Wire.open(server.url) as wire:
        await wire.send(head.encode())
        response = await wire.expect()
        assert response.status == status
        assert status == 200 or response.code == "not_found"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../gateway/config.py",
        "/static/%2e%2e/gateway/config.py",
        "/static/..%2fgateway%2fconfig.py",
        "/static/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/..%5c..%5cetc%5cpasswd",
        "/static/%00",
        "/static/x%00.js",
        "/static/.",
        "/static/..",
        "/static/" + "a/" * 300 + "x.js",
        "/static/" + "a" * 4000 + ".js",
        "/../../etc/passwd",
    ],
)
async def test_no_path_leads_out_of_the_web_folder(server: HttpServer, path: str) -> None:
    async with await Wire.open(server.url) as wire:
        await wire.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert (await wire.expect()).code == "not_found"

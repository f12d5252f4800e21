"""Whatever comes in, what goes out is a success or a problem with a known code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.config import HttpConfig
from signaling.app import make_app
from signaling.models import ModelsView
from signaling.server import HttpServer
from tests.signaling.support import OFFER, FakeCalls, Response, Wire

pytestmark = pytest.mark.integration

METHODS = st.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PRI", "FROB"]
)
SEGMENTS = st.sampled_from(
    ["v1", "calls", "call_1", "hangup", "models", "healthz", "static", "..", "%2e%2e", "", "*"]
)
QUERIES = st.sampled_from(["", "?", "?voice=Puck", "?voice=%ff", "?a=b&a=b", "?model=gemini-9&%"])
TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
ADDRESSES = st.sampled_from(
    ["/v1/calls", "/v1/calls?voice=Puck", "/v1/calls?voice=No", "/v1/calls/call_1", "/readyz", "/"]
)
TARGETS = st.one_of(
    ADDRESSES,
    st.builds(lambda parts, query: "/" + "/".join(parts) + query, st.lists(SEGMENTS), QUERIES),
    TEXT,
    TEXT.map(lambda text: "/" + text),
)
HEADERS = st.lists(
    st.one_of(
        st.just(("Content-Type", "application/sdp")),
        st.sampled_from(
            [
                ("Host", "localhost"),
                ("Host", "evil.example"),
                ("Origin", "http://localhost"),
                ("Origin", "null"),
                ("Content-Type", "text/plain"),
                ("Content-Encoding", "gzip"),
                ("Expect", "100-continue"),
                ("Expect", "a-miracle"),
                ("Connection", "close"),
                ("Connection", "upgrade"),
                ("Upgrade", "websocket"),
                ("Transfer-Encoding", "chunked"),
                ("Transfer-Encoding", "gzip"),
                ("Content-Length", "0"),
                ("Access-Control-Request-Method", "POST"),
                ("X-Request-Id", "mine"),
                ("If-None-Match", "*"),
                ("Range", "bytes=0-1"),
            ]
        ),
        st.tuples(st.sampled_from(["X-Request-Id", "Host", "Origin", "Content-Type"]), TEXT),
        st.tuples(TEXT, TEXT),
    ),
    max_size=5,
)
BODIES = st.one_of(
    st.just(b""), st.just(OFFER.encode()), st.binary(max_size=50), st.just(b"v" * 65537)
)


@pytest.fixture(scope="module")
def anything(models: ModelsView) -> Iterator[tuple[asyncio.Runner, HttpServer]]:
    """A server on a loop of its own: every example is a new connection to it."""
    config = HttpConfig(port=0)
    calls = FakeCalls()
    with asyncio.Runner() as runner:
        app = make_app(calls, config, models, body_s=0.05)  # type: ignore[arg-type]
        server = HttpServer(app, config)
        runner.run(server.start())
        yield runner, server
        runner.run(server.stop())


# The server answers this one and closes, unless it has closed before.
LAST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def exchange(url: str, data: bytes, *, head: bool) -> list[Response]:
    """Everything that comes back; of a ``HEAD`` the head of the first response."""
    responses: list[Response] = []
    async with asyncio.timeout(5), await Wire.open(url) as wire:
        await wire.send(data + LAST)
        while (response := await wire.receive(head=head)) is not None:
            responses.append(response)
            if head:
                break
    return responses


@settings(max_examples=100, deadline=None)
@given(method=METHODS, target=TARGETS, headers=HEADERS, body=BODIES)
@example(method="OPTIONS", target="*", headers=[("Host", "localhost"), ("Expect", "x")], body=b"")
@example(method="GET", target="/", headers=[("Host", "localhost"), ("Range", "x")], body=b"")
def test_any_request_gets_a_success_or_a_known_problem(
    anything: tuple[asyncio.Runner, HttpServer],
    method: str,
    target: str,
    headers: list[tuple[str, str]],
    body: bytes,
) -> None:
    runner, server = anything
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    names = {name.lower() for name, _ in headers}
    if not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    if "host" not in names:
        lines.append("Host: localhost")
    data = "\r\n".join([*lines, "", ""]).encode() + body
    responses = runner.run(exchange(server.url, data, head=method == "HEAD"))
    assert responses
    for response in responses:
        if response.status != 100:
            assert response.headers["X-Request-Id"]
            assert response.headers["Server"] == "livegate"
        if response.status >= 300 and response.status != 304 and method != "HEAD":
            assert response.code


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_get_a_problem_or_nothing(
    anything: tuple[asyncio.Runner, HttpServer], data: bytes
) -> None:
    runner, server = anything
    responses = runner.run(exchange(server.url, data + b"\r\n\r\n", head=False))
    assert [response.status for response in responses] in ([400], [200])
    assert responses[0].status == 200 or responses[0].code == "bad_request"

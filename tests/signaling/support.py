"""Stand-ins for calls whose faults cannot be provoked otherwise, and a raw HTTP client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from multidict import CIMultiDict

from gateway.call import CallRecord, CallSettings, CloseReason, Ended
from gateway.errors import CallEnded, StaleEtag, UnknownCall
from signaling.problems import KINDS

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
ANSWER = "v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\n"
RESTART = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
RESTARTED = "a=ice-lite\r\na=ice-ufrag:efgh\r\na=ice-pwd:0b66f472495ef0ccac7bda65\r\n"
SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


class FakeCalls:
    """``fault`` is raised by everything; ``create`` waits for ``gate`` once it has ``entered``.

    Every call begins with the etag ``first``; a fragment for any (``*``) restarts ICE, and
    the etag is ``second``.
    """

    def __init__(self) -> None:
        self.accepting = True
        self.offers: list[str] = []
        self.patches: list[tuple[str, str, Collection[str] | None]] = []
        self.made: dict[str, CallRecord] = {}
        self.hung_up: list[str] = []
        self.fault: BaseException | None = None
        self.entered = asyncio.Event()
        self.left = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def create(
        self,
        offer: str,
        *,
        model: str | None = None,
        voice: str | None = None,
        language: str | None = None,
    ) -> tuple[CallRecord, str]:
        self.offers.append(offer)
        self.entered.set()
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        call = CallRecord(
            id=f"call_{len(self.made) + 1}",
            etag="first",
            state="listening",
            created_at=datetime(2026, 11, 22, 20, 0, 0, 123456, tzinfo=UTC),
            age_ms=12500,
            settings=CallSettings(model or "gemini-3.8-live", voice, language),
            ended=None,
            counters={"uplink_frames": 600},
        )
        self.made[call.id] = call
        return call, ANSWER

    def find(self, call_id: str) -> CallRecord:
        if self.fault is not None:
            raise self.fault
        try:
            return self.made[call_id]
        except KeyError:
            raise UnknownCall("No call has this id, or it ended too long ago.") from None

    async def renegotiate(
        self, call_id: str, offer: str, etags: Collection[str] | None = None
    ) -> tuple[CallRecord, str]:
        return self._change(call_id, offer, etags), ANSWER

    def patch(
        self, call_id: str, fragment: str, etags: Collection[str] | None
    ) -> tuple[CallRecord, str | None]:
        call = self._change(call_id, fragment, etags)
        if etags is not None:
            return call, None
        self.made[call_id] = replace(call, etag="second")
        return self.made[call_id], RESTARTED

    def _change(self, call_id: str, body: str, etags: Collection[str] | None) -> CallRecord:
        call = self.find(call_id)
        if call.ended is not None:
            raise CallEnded("The call has ended: hangup.")
        if etags is not None and call.etag not in etags:
            raise StaleEtag("ICE was restarted since.")
        self.patches.append((call_id, body, etags))
        return call

    def hang_up(self, call_id: str) -> None:
        ended = Ended(CloseReason.HANGUP, "The call was hung up.")
        self.made[call_id] = replace(self.find(call_id), state="ended", ended=ended)
        self.hung_up.append(call_id)
        self.left.set()


@dataclass
class Response:
    """One response as it came over the wire."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return assert_problem(self.status, self.headers, self.body)


class Wire:
    """A TCP connection that says exactly what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str) -> Wire:
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self, *, head: bool = False) -> Response | None:
        """The next response, ``None`` at the end of the connection; ``head``: to a HEAD."""
        try:
            block = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        first, *lines = block.decode("latin-1").split("\r\n")[:-2]
        status = int(first.split(" ")[1])
        headers: CIMultiDict[str] = CIMultiDict()
        for line in lines:
            name, _, value = line.partition(": ")
            headers.add(name, value)
        bodiless = head or status in (100, 204, 304)
        body = b"" if bodiless else await self._reader.readexactly(int(headers["Content-Length"]))
        return Response(status, headers, body)

    async def expect(self, *, head: bool = False) -> Response:
        """The next response; fails if none comes within 10 s."""
        async with asyncio.timeout(10):
            response = await self.receive(head=head)
        assert response is not None, "the server closed the connection without an answer"
        return response

    async def at_end(self) -> bool:
        try:
            return await self._reader.read(1) == b""
        except ConnectionError:
            return True

    def abort(self) -> None:
        """Vanish: the other side sees a reset."""
        self._writer.transport.abort()

    async def aclose(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            pass

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


def post(
    body: bytes = OFFER.encode(),
    *,
    target: str = "/v1/calls",
    host: str = "localhost",
    more: str = "",
) -> bytes:
    """``POST`` with a declared length, as bytes; ``more`` are header lines ending in CRLF."""
    head = (
        f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


def assert_problem(status: int, headers: Any, body: bytes) -> str:
    """The code of a well-formed problem document; fails for anything else."""
    assert headers["Content-Type"] == "application/problem+json"
    document = json.loads(body)
    assert set(document) == {"type", "title", "status", "code", "detail", "request_id"}
    kind = KINDS[document["code"]]
    assert (document["status"], document["title"]) == (status, kind.title)
    assert status == kind.status and document["type"] == "about:blank"
    assert document["detail"] and document["request_id"] == headers["X-Request-Id"]
    assert ("Retry-After" in headers) is kind.retry
    code = document["code"]
    assert isinstance(code, str)
    return code

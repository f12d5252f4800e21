"""The addresses in front of real calls: an aiortc client's offer, the local Live server."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from gateway.config import CallConfig
from tests.signaling.support import SDP, Wire, assert_problem, post
from tests.support.client import AiortcClient
from tests.support.stack import Stack, running_stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


async def send(
    http: aiohttp.ClientSession, method: str, url: str, **options: Any
) -> tuple[int, str, Any]:
    """``(status, code or "", document or text)``."""
    async with http.request(method, url, **options) as response:
        body = await response.read()
        if response.status >= 400:
            code = assert_problem(response.status, response.headers, body)
            return response.status, code, json.loads(body)
        is_json = response.content_type == "application/json"
        return response.status, "", json.loads(body) if is_json else body.decode()


async def offer_of(stack: Stack) -> str:
    """What an aiortc client would post."""
    async with AiortcClient(stack.url) as client:
        return await client.offer()


async def nobody_is_left(stack: Stack) -> None:
    async with asyncio.timeout(10):
        while len(stack.calls):
            await asyncio.sleep(0.01)


async def test_a_call_from_offer_to_forgotten(http: aiohttp.ClientSession) -> None:
    async with running_stack() as stack:
        async with AiortcClient(stack.url) as client:
            await client.call(voice="kore", language="de-de")
            await client.wait_for("call.state", state="listening")
            assert client.location.startswith(f"{stack.url}/v1/calls/call_")
            status, _, seen = await send(http, "GET", client.location)
            assert status == 200
            assert seen["id"] == client.location.rpartition("/")[2]
            assert (seen["state"], seen["ended"]) == ("listening", None)
            assert seen["config"] == {
                "model": "gemini-3.8-live",
                "voice": "Kore",
                "language": "de-DE",
            }
            age = datetime.now(UTC) - datetime.fromisoformat(seen["created_at"])
            assert abs(age.total_seconds() * 1000 - seen["age_ms"]) < 1000
            assert seen["counters"] and all(
                type(value) is int for value in seen["counters"].values()
            )
            for method, url in (
                ("DELETE", client.location),
                ("POST", f"{client.location}/hangup"),
                ("DELETE", client.location),
            ):
                status, _, seen = await send(http, method, url)
                assert status == 200
                assert seen["state"] == "ended" and seen["ended"]["reason"] == "hangup"
            await client.wait_for("call.ended", reason="hangup")
        await nobody_is_left(stack)
        _, _, remembered = await send(http, "GET", client.location)
        assert remembered["ended"]["reason"] == "hangup"


async def test_one_call_too_many_is_told_to_come_back(http: aiohttp.ClientSession) -> None:
    async with running_stack(limits=CallConfig(greeting="", max_calls=1)) as stack:
        offer = await offer_of(stack)
        async with AiortcClient(stack.url) as client:
            await client.call()
            await client.wait_for("call.state", state="listening")
            url = f"{stack.url}/v1/calls"
            async with http.post(url, data=offer, headers=SDP) as response:
                assert response.status == 503
                assert int(response.headers["Retry-After"]) > 0
                assert (await response.json(content_type=None))["code"] == "too_many_calls"
            status, _, _ = await send(http, "GET", f"{stack.url}/readyz")
            assert status == 200
            await client.hang_up()


async def test_a_gateway_that_drains_ends_its_calls_and_takes_no_more(
    http: aiohttp.ClientSession,
) -> None:
    async with running_stack() as stack:
        offer = await offer_of(stack)
        async with AiortcClient(stack.url) as client:
            await client.call()
            await client.wait_for("call.state", state="listening")
            draining = asyncio.create_task(stack.calls.drain())
            await client.wait_for("call.ended", reason="shutdown")
            _, code, _ = await send(http, "POST", f"{stack.url}/v1/calls", data=offer, headers=SDP)
            assert code == "draining"
            _, code, _ = await send(http, "GET", f"{stack.url}/readyz")
            assert code == "draining"
            _, _, seen = await send(http, "GET", client.location)
            assert seen["ended"]["reason"] == "shutdown"
        await draining


async def test_a_client_that_leaves_before_its_answer_leaves_no_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.support.stack.ENGINE", "aiortc")  # its answers take a while
    async with running_stack(limits=CallConfig(greeting="", connect_s=60)) as stack:
        wire = await Wire.open(stack.url)
        await wire.send(post((await offer_of(stack)).encode()))
        while not len(stack.calls):  # until the offer is being answered
            await asyncio.sleep(0)
        wire.abort()
        await nobody_is_left(stack)  # far sooner than a call that never connects


async def test_what_is_no_offer_is_told_what_is_missing(http: aiohttp.ClientSession) -> None:
    async with running_stack() as stack:
        offer = await offer_of(stack)
        url = f"{stack.url}/v1/calls"
        head, _, audio = offer.partition("m=audio")
        for body in (
            "hello",
            "v=0\r\n",
            head,
            offer.replace("a=fingerprint", "a=x-fingerprint"),
            offer.replace("a=ice-ufrag", "a=x-ice-ufrag"),
            offer[:200],
            '{"type": "offer"}',
            "v=0\r\n" * 10_000,
        ):
            _, code, document = await send(http, "POST", url, data=body, headers=SDP)
            assert code in ("bad_offer", "no_common_codec"), document
        assert len(stack.calls) == 0

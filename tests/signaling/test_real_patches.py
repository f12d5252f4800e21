"""``PATCH`` of real calls, on both engines: trickle ICE, restarts, later offers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.live.local import Script
from tests.signaling.support import FRAGMENT, RESTART, SDP, assert_problem
from tests.support.client import AiortcClient
from tests.support.stack import ENGINES, running_stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

ANY = {"If-Match": "*"}


def attribute(sdp: str, name: str) -> str:
    found = re.search(rf"^a={name}:(\S+)", sdp, re.MULTILINE)
    assert found is not None, f"no a={name} in {sdp}"
    return found[1]


class Caller:
    """A call that was connected, and requests about it."""

    def __init__(self, client: AiortcClient, http: aiohttp.ClientSession) -> None:
        self.client = client
        self.http = http
        self.offer = client.pc.localDescription.sdp

    @property
    def trickle(self) -> str:
        return "".join(
            f"a={name}:{attribute(self.offer, name)}\r\n" for name in ("ice-ufrag", "ice-pwd")
        )

    async def patch(self, body: str, headers: dict[str, str]) -> tuple[int, str, str]:
        """``(status, etag, text)``, the text the code of a problem."""
        async with self.http.patch(
            self.client.location, data=body.encode(), headers=headers
        ) as response:
            sent = await response.read()
            text = sent.decode()
            if response.status >= 400:
                text = assert_problem(response.status, response.headers, sent)
            return response.status, response.headers.get("ETag", ""), text

    async def is_answered(self, text: str) -> None:
        """The call is alive in both directions."""
        turns = sum(event["type"] == "turn.completed" for event in self.client.events)
        self.client.send(type="input.text", text=text)
        await self.client.wait_for("turn.completed", lambda event: event["turn"] > turns)


@contextlib.asynccontextmanager
async def calling(engine: str) -> AsyncIterator[Caller]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.stack.ENGINE", engine)
        async with (
            running_stack(script=Script.tones(200)) as stack,
            aiohttp.ClientSession() as http,
            AiortcClient(stack.url) as client,
        ):
            await client.call()
            await client.wait_for("call.state", state="listening")
            yield Caller(client, http)


@pytest.mark.parametrize("engine", ENGINES)
async def test_candidates_are_taken_under_the_calls_own_tag(engine: str) -> None:
    async with calling(engine) as caller:
        etag = caller.client.etag
        candidate = "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n"
        for body in (caller.trickle, caller.trickle + candidate + "a=end-of-candidates\r\n"):
            for condition in (etag, f'"other", {etag}', "*"):
                status, _, text = await caller.patch(body, FRAGMENT | {"If-Match": condition})
                assert (status, text) == (204, "")
        await caller.is_answered("hello")


@pytest.mark.parametrize("engine", ENGINES)
async def test_what_cannot_be_read_or_meant_is_refused_and_the_call_goes_on(engine: str) -> None:
    async with calling(engine) as caller:
        tag = {"If-Match": caller.client.etag}
        for body, headers, expected in (
            ("hello", FRAGMENT | tag, (400, "bad_fragment")),
            ("a=ice-ufrag:EsAw\r\n", FRAGMENT | ANY, (400, "bad_fragment")),
            (RESTART, FRAGMENT | tag, (409, "unknown_ufrag")),
            (caller.trickle, FRAGMENT | {"If-Match": '"old"'}, (412, "stale_etag")),
            (caller.offer, SDP | {"If-Match": '"old"'}, (412, "stale_etag")),
            (caller.trickle, FRAGMENT, (428, "etag_required")),
        ):
            status, _, code = await caller.patch(body, headers)
            assert (status, code) == expected
        await caller.is_answered("hello")


async def test_the_aiortc_engine_says_what_it_cannot() -> None:
    async with calling("aiortc") as caller:
        for body, headers in ((RESTART, FRAGMENT | ANY), (caller.offer, SDP)):
            status, _, code = await caller.patch(body, headers)
            assert (status, code) == (422, "cannot_change_connection")
        await caller.is_answered("hello")


async def test_a_restart_has_new_credentials_and_a_new_tag() -> None:
    async with calling("native") as caller:
        before = caller.client.etag
        status, etag, fragment = await caller.patch(RESTART, FRAGMENT | ANY)
        assert status == 200
        assert etag not in ("", before)
        assert attribute(fragment, "ice-ufrag") != attribute(caller.client.answer, "ice-ufrag")
        assert attribute(fragment, "ice-pwd") != attribute(caller.client.answer, "ice-pwd")
        assert set(re.findall(r"a=candidate:.*", fragment)) == set(
            re.findall(r"a=candidate:.*", caller.client.answer)
        )
        assert attribute(fragment, "mid") == attribute(caller.client.answer, "mid")

        again = await caller.patch(RESTART, FRAGMENT | ANY)
        assert again == (200, etag, fragment), "a repeated request gets the same answer"
        status, _, _ = await caller.patch(RESTART, FRAGMENT | {"If-Match": etag})
        assert status == 204, "candidates of the new generation"
        _, _, code = await caller.patch(caller.trickle, FRAGMENT | {"If-Match": before})
        assert code == "stale_etag"
        _, _, code = await caller.patch(caller.trickle, FRAGMENT | {"If-Match": etag})
        assert code == "unknown_ufrag"
        await caller.is_answered("the old connection still carries the call")


async def test_a_later_offer_restarts_ice_only_with_new_credentials() -> None:
    async with calling("native") as caller:
        before = caller.client.etag
        status, etag, answer = await caller.patch(caller.offer, SDP)
        assert (status, etag) == (200, before)
        assert attribute(answer, "ice-ufrag") == attribute(caller.client.answer, "ice-ufrag")

        restart = re.sub(r"(a=ice-(?:ufrag|pwd):)", r"\1NEW", caller.offer)
        status, etag, answer = await caller.patch(restart, SDP)
        assert status == 200
        assert etag not in ("", before)
        assert attribute(answer, "ice-ufrag") != attribute(caller.client.answer, "ice-ufrag")
        assert attribute(answer, "fingerprint") == attribute(caller.client.answer, "fingerprint")
        repeated = await caller.patch(restart, SDP)
        assert repeated[:2] == (200, etag)
        assert attribute(repeated[2], "ice-pwd") == attribute(answer, "ice-pwd")
        await caller.is_answered("the old connection still carries the call")


async def test_fragments_and_offers_speak_of_the_same_credentials() -> None:
    """An offer with the credentials of a restart by fragment is no second restart."""
    async with calling("native") as caller:
        _, etag, _ = await caller.patch(RESTART, FRAGMENT | ANY)
        offer = re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:EsAw", caller.offer)
        offer = re.sub(r"a=ice-pwd:\S+", "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1", offer)
        status, after, _ = await caller.patch(offer, SDP)
        assert (status, after) == (200, etag)


async def test_another_certificate_is_another_call() -> None:
    async with calling("native") as caller:
        changed = re.sub(
            r"(a=fingerprint:sha-\d+ )(\S\S)", lambda found: found[1] + "00", caller.offer
        )
        changed = re.sub(r"(a=ice-(?:ufrag|pwd):)", r"\1NEW", changed)
        status, _, code = await caller.patch(changed, SDP)
        assert (status, code) == (400, "bad_offer")
        status, etag, _ = await caller.patch(caller.offer, SDP)
        assert (status, etag) == (200, caller.client.etag), "nothing was changed"
        await caller.is_answered("hello")


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_call_that_is_over_cannot_be_changed(engine: str) -> None:
    async with calling(engine) as caller:
        await caller.client.hang_up()
        for body, headers in ((RESTART, FRAGMENT | ANY), (caller.offer, SDP)):
            status, _, code = await caller.patch(body, headers)
            assert (status, code) == (409, "call_ended")


async def test_a_storm_of_restarts_leaves_a_call_that_works() -> None:
    async with calling("native") as caller:
        fragments = [
            f"a=ice-ufrag:storm{n}\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n" for n in range(50)
        ]
        answers = await asyncio.gather(*(caller.patch(one, FRAGMENT | ANY) for one in fragments))
        assert {status for status, _, _ in answers} == {200}
        assert len({etag for _, etag, _ in answers}) == 50
        await caller.is_answered("hello")
        assert json.dumps(caller.client.events).count("call.ended") == 0

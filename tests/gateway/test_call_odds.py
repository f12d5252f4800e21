"""Calls with a peer and a live session made of plain Python: what real ones seldom do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.call import Call, CallSettings, CloseReason
from gateway.config import CallConfig
from gateway.live.messages import AudioChunk, GenerationComplete, LiveEvent, TurnComplete
from gateway.peer import PeerListener, Playout
from gateway.ticker import Ticker

pytestmark = [pytest.mark.integration, pytest.mark.timeout(30)]

HELLO = '{"type":"hello"}'


class PlainPeer:
    """A peer whose network is this test."""

    has_channel = True

    def __init__(self, listener: PeerListener, playout: Playout) -> None:
        self.listener = listener
        self.playout = playout
        self.sent: list[dict[str, Any]] = []
        self.closed = False

    async def answer(self, offer: str) -> str:
        return offer

    def wake(self) -> None:
        pass

    def counters(self) -> dict[str, int]:
        return {"rtp_received": 7}

    def send(self, message: str) -> None:
        self.sent.append(json.loads(message))

    async def drained(self) -> None:
        self.listener.on_gone(hung_up=True)

    async def aclose(self) -> None:
        self.closed = True

    def types(self) -> list[str]:
        return [event["type"] for event in self.sent]


class PlainLive:
    """A live session that says what it is given and remembers what it is told."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[LiveEvent] = asyncio.Queue()
        self.texts: list[str] = []
        self.audio_frames = 0
        self.closed = False

    can_write = True

    def write_audio(self, pcm: bytes) -> None:
        self.audio_frames += 1

    def write_audio_stream_end(self) -> None:
        pass

    async def send_text(self, text: str) -> None:
        self.texts.append(text)

    async def __aiter__(self) -> AsyncIterator[LiveEvent]:
        while True:
            yield await self.events.get()

    async def aclose(self) -> None:
        self.closed = True


class Talk:
    """One call, run in the background."""

    def __init__(self, **limits: Any) -> None:
        self.live = PlainLive()
        self.dialled = asyncio.Event()
        self.peers: list[PlainPeer] = []
        config = CallConfig(**({"greeting": ""} | limits))
        self.call = Call(CallSettings("m"), config, self._make_peer, self._dial, ticker=Ticker())
        self.task = asyncio.create_task(self.call.run())

    @property
    def peer(self) -> PlainPeer:
        return self.peers[0]

    def _make_peer(self, listener: PeerListener, playout: Playout) -> PlainPeer:
        self.peers.append(PlainPeer(listener, playout))
        return self.peers[0]

    async def _dial(self, settings: CallSettings) -> PlainLive:
        await self.dialled.wait()
        return self.live

    async def begin(self) -> None:
        self.call.on_connected()
        self.call.on_message(HELLO)
        self.dialled.set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def over(self) -> CloseReason:
        await asyncio.wait_for(self.task, 10)
        assert self.call.ended is not None
        assert self.peer.closed
        return self.call.ended.reason


async def test_texts_typed_while_the_session_is_dialled_follow_the_greeting() -> None:
    talk = Talk(greeting="Greet.")
    for number in range(40):
        talk.call.on_message(json.dumps({"type": "input.text", "text": f"text {number}"}))
    await talk.begin()
    assert talk.live.texts == ["Greet.", *(f"text {number}" for number in range(32))]
    refused = [e for e in talk.peer.sent if e["type"] == "error"]
    assert {error["code"] for error in refused} == {"too_many_texts"}
    assert len(refused) == 8
    states = [e["state"] for e in talk.peer.sent if e["type"] == "call.state"]
    assert states == ["thinking"]
    talk.call.end(CloseReason.HANGUP, "")
    assert await talk.over() is CloseReason.HANGUP
    assert talk.live.closed


async def test_a_mistake_in_a_callback_of_the_engine_ends_the_call_as_a_bug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for act in ("push_audio", "pull"):
        talk = Talk()
        await talk.begin()

        def broken(*arguments: object) -> None:
            raise RuntimeError("a mistake")

        monkeypatch.setattr(talk.call._bridge, act, broken)
        if act == "pull":
            assert talk.peer.playout.pull() is None
        else:
            talk.call.on_audio(bytes(640))
        assert await talk.over() is CloseReason.BUG
        assert talk.peer.types()[-1] == "call.ended"


async def test_a_mistake_in_the_conversation_ends_the_call_as_a_bug() -> None:
    talk = Talk()
    await talk.begin()
    talk.live.events.put_nowait(AudioChunk(b"\0\0", rate_hz=0))
    assert await talk.over() is CloseReason.BUG


async def test_a_flood_of_nonsense_is_not_all_answered() -> None:
    talk = Talk()
    await talk.begin()
    for _ in range(500):
        talk.call.on_message("nonsense")
    assert talk.peer.types().count("error") == 20
    talk.call.end(CloseReason.HANGUP, "")
    await talk.over()


async def test_a_transcript_of_any_length_comes_in_pieces_that_fit() -> None:
    talk = Talk()
    await talk.begin()
    text = json.dumps({"type": "input.text", "text": "é" * 25_000}, ensure_ascii=False)
    talk.call.on_message(text)
    said = [e for e in talk.peer.sent if e["type"] == "transcript.user"]
    assert "".join(event["text"] for event in said) == "é" * 25_000
    assert [event["final"] for event in said] == [False, False, True]
    talk.call.end(CloseReason.HANGUP, "")
    await talk.over()


async def test_a_client_that_is_gone_before_it_connected_never_connected() -> None:
    talk = Talk()
    talk.call.on_gone(hung_up=False)
    assert await talk.over() is CloseReason.NOT_CONNECTED


async def test_a_client_without_a_channel_is_not_waited_for() -> None:
    talk = Talk()
    await talk.begin()
    talk.peer.has_channel = False
    talk.call.end(CloseReason.HANGUP, "")
    await asyncio.wait_for(talk.task, 0.5)


async def test_after_its_end_a_call_plays_nothing_more() -> None:
    talk = Talk()
    await talk.begin()
    talk.live.events.put_nowait(AudioChunk(bytes(48_000)))
    await talk.settle()
    assert talk.peer.playout.pull() is not None
    talk.call.end(CloseReason.HANGUP, "")
    assert talk.peer.playout.pull() is None
    await talk.over()


async def test_two_replies_are_told_apart_as_they_are_heard() -> None:
    talk = Talk()
    await talk.begin()
    for _ in range(2):
        for event in (AudioChunk(bytes(960)), GenerationComplete(), TurnComplete()):
            talk.live.events.put_nowait(event)
    await talk.settle()
    for _ in range(4):
        talk.peer.playout.pull()
    turns = [(e["type"], e["turn"]) for e in talk.peer.sent if e["type"].startswith("turn.")]
    assert turns == [
        ("turn.started", 1),
        ("turn.started", 2),
        ("turn.completed", 1),
        ("turn.completed", 2),
    ]
    talk.call.end(CloseReason.HANGUP, "")
    await talk.over()

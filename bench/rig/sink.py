"""The far end's process: a Live service that is light enough to stand beside what it measures.

    python -m bench.rig.sink CERTIFICATE KEY [--talk-s S] [--pause-s S] [--at-once]

It speaks just enough of the Live protocol over ``wss://``: it answers ``setup``, takes audio
without looking at it, and replies in bursts four times faster than real time, each session in
a phase of its own.  What measured sessions send is kept and read at the end.

Commands are JSON lines on the standard input: ``{"measure": [0, 4]}`` says which sessions to
keep, by their order of opening; ``{"cut": true}`` interrupts every reply halfway from now on;
``{"report": [from_s, to_s]}`` tells the times of what came and went.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import re
import ssl
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from websockets.http11 import Request
from websockets.server import ServerProtocol

from bench.rig import frames
from bench.rig.sound import LOUD, voice
from bench.rig.timeline import onsets

CHUNK_MS = 40
BURST_S = 0.02  # between two writes of ``BURST_CHUNKS`` chunks: four times real time
BURST_CHUNKS = 2
GOLDEN = 0.618034
_RATE_HZ = 24_000
_KEPT = 20_000  # messages of a session, more than six minutes
_DATA = re.compile(rb'"data"\s*:\s*"([A-Za-z0-9+/]*={0,2})"')


def message(content: dict[str, Any]) -> bytes:
    """A frame with ``content``: binary, as the service's are."""
    return frames.write(frames.BINARY, json.dumps(content).encode())


SETUP_COMPLETE = message({"setupComplete": {}})
GENERATION_COMPLETE = message({"serverContent": {"generationComplete": True}})
TURN_COMPLETE = message({"serverContent": {"turnComplete": True}})
INTERRUPTED = message({"serverContent": {"interrupted": True}})


def reply_frames(seconds: float) -> list[bytes]:
    """One reply as frames, made once and written by every session."""
    size = _RATE_HZ * CHUNK_MS // 1000
    pcm = voice(seconds, _RATE_HZ, seed=7)
    chunks = []
    for at in range(0, pcm.size, size):
        data = base64.b64encode(pcm[at : at + size].tobytes()).decode()
        blob = {"mimeType": f"audio/pcm;rate={_RATE_HZ}", "data": data}
        turn = {"role": "model", "parts": [{"inlineData": blob}]}
        chunks.append(message({"serverContent": {"modelTurn": turn}}))
    return chunks


@dataclass(slots=True)
class Plan:
    """How all sessions talk."""

    talk_s: float
    pause_s: float
    at_once: bool
    cut: bool = False
    measured: frozenset[int] = frozenset()
    reply: list[bytes] = field(default_factory=list)

    @property
    def period_s(self) -> float:
        return self.talk_s + self.pause_s


class LiveSink(asyncio.Protocol):
    """One session: the handshake by the library, everything after it by hand."""

    sessions: list[LiveSink] = []

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._handshake: ServerProtocol | None = ServerProtocol()
        self._reader = frames.FrameReader()
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self.number = -1
        self.messages = 0
        self.kept: deque[tuple[float, frames.Frame]] = deque(maxlen=_KEPT)
        self.replies_s: list[float] = []
        self.cuts_s: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if self._handshake is not None:
            self._shake_hands(data)
            return
        for frame in self._reader.push(data):
            if frame.opcode in (frames.TEXT, frames.BINARY):
                self.messages += 1
                if self.messages == 1:
                    self._begin(frame)
                elif self.number in self._plan.measured:
                    self.kept.append((now, frame))
            elif frame.opcode == frames.PING:
                self._transport.write(frames.write(frames.PONG, frame.data()))
            elif frame.opcode == frames.CLOSE:
                self._transport.write(frames.write(frames.CLOSE, frame.data()))
                self._transport.close()

    def _shake_hands(self, data: bytes) -> None:
        assert self._handshake is not None
        self._handshake.receive_data(data)
        for event in self._handshake.events_received():
            if isinstance(event, Request):
                self._handshake.send_response(self._handshake.accept(event))
                self._transport.writelines(self._handshake.data_to_send())
                self._handshake = None
                return

    def _begin(self, frame: frames.Frame) -> None:
        if b'"setup"' not in frame.data():
            self._transport.write(frames.write(frames.CLOSE, (1007).to_bytes(2, "big")))
            return
        self.number = len(self.sessions)
        self.sessions.append(self)
        self._transport.write(SETUP_COMPLETE)
        say({"session": self.number})
        plan = self._plan
        now = time.monotonic()
        wait_s = 0.0 if plan.at_once else (self.number * GOLDEN * plan.period_s - now)
        self._later(wait_s % plan.period_s, self._talk, 0)

    def _talk(self, sent: int) -> None:
        """Write the next chunks of a reply, then what ends it."""
        plan = self._plan
        if sent == 0:
            self.replies_s.append(time.monotonic())
        self._transport.writelines(plan.reply[sent : sent + BURST_CHUNKS])
        sent += BURST_CHUNKS
        if sent < len(plan.reply):
            self._later(BURST_S, self._talk, sent)
            return
        self._transport.write(GENERATION_COMPLETE)
        spent_s = time.monotonic() - self.replies_s[-1]
        if plan.cut:
            # Anywhere within a packet: the number shifts it against the 20 ms grid.
            shift_s = (len(self.cuts_s) + self.number) * GOLDEN % 1 * 0.02
            self._later(plan.talk_s / 2 + shift_s - spent_s, self._interrupt)
        else:
            self._later(plan.talk_s - spent_s, self._end)

    def _interrupt(self) -> None:
        self.cuts_s.append(time.monotonic())
        self._transport.write(INTERRUPTED)
        self._end()

    def _end(self) -> None:
        self._transport.write(TURN_COMPLETE)
        since_s = time.monotonic() - self.replies_s[-1]
        self._later(self._plan.period_s - since_s, self._talk, 0)

    def _later(self, wait_s: float, do: Any, *arguments: Any) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, wait_s), do, *arguments)


def report(from_s: float, to_s: float) -> dict[str, Any]:
    """Of every measured session: onsets, replies, cuts, and the audio between two times."""
    sessions = []
    for session in LiveSink.sessions:
        if session.number not in session._plan.measured:
            continue
        loud, audio_bytes, place_s = [], 0, 0.0
        for at_s, frame in session.kept:
            pcm = audio_of(frame)
            if from_s <= at_s < to_s:
                audio_bytes += pcm.nbytes
            if pcm.size and int(np.abs(pcm.astype(np.int32)).max()) > LOUD:
                loud.append((at_s, place_s))
            place_s += pcm.size / 16_000
        sessions.append(
            {
                "call": session.number,
                "onsets_s": onsets(loud),
                "replies_s": session.replies_s,
                "cuts_s": session.cuts_s,
                "audio_s": audio_bytes / 2 / 16_000,
            }
        )
    return {"report": sessions}


def audio_of(frame: frames.Frame) -> Any:
    """The 16 kHz PCM in a ``realtimeInput`` message, as an array; empty if there is none."""
    found = _DATA.search(frame.data())
    data = base64.b64decode(found[1]) if found else b""
    return np.frombuffer(data[: len(data) & ~1], "<i2")


async def serve(plan: Plan, certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: LiveSink(plan), "127.0.0.1", 0, ssl=context)
    done = asyncio.Event()
    threading.Thread(target=listen, args=(loop, plan, done), daemon=True).start()
    say({"ready": True, "port": server.sockets[0].getsockname()[1]})
    await done.wait()


def listen(loop: asyncio.AbstractEventLoop, plan: Plan, done: asyncio.Event) -> None:
    """Take commands until the standard input ends."""

    def obey(command: dict[str, Any]) -> None:
        if "measure" in command:
            plan.measured = frozenset(command["measure"])
        if "cut" in command:
            plan.cut = command["cut"]
        if "forget" in command:
            LiveSink.sessions.clear()
        if "report" in command:
            say(report(*command["report"]))

    for line in sys.stdin:
        loop.call_soon_threadsafe(obey, json.loads(line))
    loop.call_soon_threadsafe(done.set)


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.rig.sink")
    parser.add_argument("certificate")
    parser.add_argument("key")
    parser.add_argument("--talk-s", type=float, default=2.0)
    parser.add_argument("--pause-s", type=float, default=2.0)
    parser.add_argument("--at-once", action="store_true")
    options = parser.parse_args()
    plan = Plan(options.talk_s, options.pause_s, options.at_once)
    plan.reply = reply_frames(plan.talk_s)
    run = asyncio.run
    with contextlib.suppress(ImportError):
        import uvloop

        run = uvloop.run
    run(serve(plan, options.certificate, options.key))


if __name__ == "__main__":
    main()

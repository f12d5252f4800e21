"""Which of the uncertain switches a far end has: found out by talking to it.

A bare WebSocket, because the SDK hides frame types and frames.  :func:`observe` holds a
short conversation and returns what it saw, named as in ``Switches`` where a switch
stands for it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.contract.far_end import FarEnd
from tests.support.speech import say

_TURN_S = 40.0
_DECLARED = {
    "name": "get_weather",
    "description": "The weather in a city, now.",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}},
}


@dataclass
class Frame:
    """One message: when it came, as text or binary, and what was in it."""

    at: float
    binary: bool
    message: dict[str, Any]

    @property
    def content(self) -> dict[str, Any]:
        return self.message.get("serverContent") or {}

    @property
    def audio(self) -> bytes:
        parts = (self.content.get("modelTurn") or {}).get("parts") or []
        return b"".join(
            base64.b64decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part
        )

    def text(self, name: str) -> str:
        return str((self.content.get(name) or {}).get("text") or "")


@dataclass
class Wire:
    """A connection that keeps every frame."""

    socket: ClientConnection
    frames: list[Frame] = field(default_factory=list)

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Frame:
        async with asyncio.timeout(_TURN_S):
            raw = await self.socket.recv()
        now = asyncio.get_running_loop().time()
        self.frames.append(Frame(now, isinstance(raw, bytes), json.loads(raw)))
        return self.frames[-1]

    async def turn(self) -> list[Frame]:
        """To the end of the turn, and what still comes right behind it."""
        heard = [await self.hear()]
        while not heard[-1].content.get("turnComplete"):
            heard.append(await self.hear())
        try:
            async with asyncio.timeout(0.3):
                while True:
                    raw = await self.socket.recv()
                    now = asyncio.get_running_loop().time()
                    heard.append(Frame(now, isinstance(raw, bytes), json.loads(raw)))
        except TimeoutError:
            pass
        return heard


async def observe(far_end: FarEnd) -> dict[str, str]:
    """Talk to ``far_end`` for about half a minute and say what it is like."""
    seen: dict[str, str] = {}
    headers = await far_end.credentials.headers()
    options: Any = {"additional_headers": headers, "max_size": 2**24}
    if far_end.ssl is not None:
        options["ssl"] = far_end.ssl
    async with connect(far_end.endpoint.url, **options) as socket:
        wire = Wire(socket)
        await wire.say(setup=_setup(far_end))
        complete = await wire.hear()
        seen["deflate"] = _flag(socket.protocol.extensions)
        seen["session_id"] = _flag((complete.message.get("setupComplete") or {}).get("sessionId"))
        await _a_turn_left_alone(wire, seen)
        await _a_spoken_turn(wire, far_end, seen)
        await _a_turn_spoken_over(wire, far_end, seen)
        frames = wire.frames
        seen["frame_type"] = "binary" if all(frame.binary for frame in frames) else "text"
        seen["empty_frames"] = str(sum(not frame.message for frame in frames))
        updates = [frame.message.get("sessionResumptionUpdate") for frame in frames]
        seen["unresumable_updates"] = _flag(
            any(update and not update.get("resumable") for update in updates)
        )
        await wire.say(setup=_setup(far_end))
        try:
            while True:
                await wire.hear()
        except ConnectionClosed:
            seen["second_setup"] = f"{socket.close_code} {socket.close_reason}"
    async with connect(far_end.endpoint.url, **options) as socket:
        wire = Wire(socket)
        await wire.say(setup={**_setup(far_end), "tools": [{"functionDeclarations": [_DECLARED]}]})
        await wire.hear()
        await _ask(wire, "What is the weather in Paris?")
        while "toolCall" not in (frame := await wire.hear()).message:
            pass
        (call,) = frame.message["toolCall"]["functionCalls"]
        seen["tool_ids"] = _flag(call.get("id"))
    return seen


def _setup(far_end: FarEnd) -> dict[str, Any]:
    return {
        "model": far_end.endpoint.model_path(far_end.model),
        "generationConfig": {"responseModalities": ["AUDIO"]},
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
        "sessionResumption": {},
    }


async def _ask(wire: Wire, text: str) -> None:
    turn = {"role": "user", "parts": [{"text": text}]}
    await wire.say(clientContent={"turns": [turn], "turnComplete": True})


async def _speak(wire: Wire, far_end: FarEnd, text: str) -> None:
    pcm = say(text) + bytes(32 * 1500)
    for start in range(0, len(pcm), 640):
        data = base64.b64encode(pcm[start : start + 640]).decode()
        await wire.say(realtimeInput={"audio": {"data": data, "mimeType": "audio/pcm;rate=16000"}})
        await asyncio.sleep(0.02 / far_end.pace)


async def _a_turn_left_alone(wire: Wire, seen: dict[str, str]) -> None:
    await _ask(wire, "Say exactly: This is a sentence of some length. And this is another one.")
    frames = await wire.turn()
    sounds = [frame for frame in frames if frame.audio]
    lengths = [len(frame.audio) / 48 for frame in sounds]
    played_s = sum(lengths) / 1000
    took_s = sounds[-1].at - sounds[0].at
    seen["chunk_ms"] = f"{statistics.fmean(lengths):.0f}"
    seen["chunk_lengths"] = f"{min(lengths):.0f} to {max(lengths):.0f} ms"
    seen["burst_factor"] = f"{(played_s - lengths[-1] / 1000) / max(took_s, 1e-3):.1f}"
    shown = "outputTranscription"
    seen["bundle"] = _flag(any(frame.audio and frame.text(shown) for frame in frames))
    seen["output_transcript_order"] = _order(frames, shown)
    seen["transcript_finished"] = _flag(
        any((frame.content.get(shown) or {}).get("finished") for frame in frames)
    )
    generated = next(frame for frame in frames if frame.content.get("generationComplete"))
    completed = next(frame for frame in frames if frame.content.get("turnComplete"))
    seen["turn_complete_after_generation_ms"] = f"{(completed.at - generated.at) * 1000:.0f}"
    if completed.audio:
        seen["turn_complete"] = "same_frame"
    else:
        early = completed.at - sounds[0].at < 0.8 * played_s
        seen["turn_complete"] = "at_once" if early else "playback"
    usage = [frame for frame in frames if frame.message.get("usageMetadata")]
    keys = set(usage[0].message["usageMetadata"]) if usage else set()
    seen["usage"] = (
        "vertex" if "candidatesTokenCount" in keys else "dev" if usage else "none"
    )  # the key of the output tells
    seen["usage_keys"] = " ".join(sorted(keys))
    seen["usage_alone"] = _flag(usage and not any(frame.content for frame in usage))


def _order(frames: list[Frame], name: str) -> str:
    """Whether the transcript runs ahead of the sound, behind it, or with it."""
    first = next(index for index, frame in enumerate(frames) if frame.audio)
    last = max(index for index, frame in enumerate(frames) if frame.audio)
    texts = [index for index, frame in enumerate(frames) if frame.text(name)]
    if not texts:
        return "none"
    if len(texts) > 2:
        return "with"
    return "before" if texts[0] <= first else "after" if texts[-1] >= last else "with"


async def _a_spoken_turn(wire: Wire, far_end: FarEnd, seen: dict[str, str]) -> None:
    talking = asyncio.create_task(_speak(wire, far_end, "What time is it?"))
    frames = await wire.turn()
    await talking
    shown = [index for index, frame in enumerate(frames) if frame.text("inputTranscription")]
    first = next((index for index, frame in enumerate(frames) if frame.audio), len(frames))
    seen["input_transcript"] = "deltas" if len(shown) > 1 else "final"
    seen["input_transcript_order"] = "before" if shown and shown[0] < first else "after"


async def _a_turn_spoken_over(wire: Wire, far_end: FarEnd, seen: dict[str, str]) -> None:
    await _ask(wire, "Tell me a long story")
    heard = 0
    while heard < 48_000:
        heard += len((await wire.hear()).audio)
    talking = asyncio.create_task(_speak(wire, far_end, "Stop."))
    frames = await wire.turn()
    words = [
        [word for word in ("interrupted", "turnComplete") if frame.content.get(word)]
        for frame in frames
    ]
    told = [word for word in words if word]
    if told[0] == ["interrupted", "turnComplete"]:
        seen["interrupted_order"] = "same_frame"
    else:
        seen["interrupted_order"] = "apart" if told[0] == ["interrupted"] else "reversed"
    await talking
    if not any(frame.audio for frame in frames[-3:]):
        await wire.turn()  # the answer to what was said


def _flag(value: Any) -> str:
    return "true" if value else "false"

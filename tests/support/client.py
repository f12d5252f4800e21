"""A caller made of aiortc: speaks PCM, records what it hears, keeps every event."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

Event = dict[str, Any]
MIC_HZ = 16000
HEARD_HZ = 48000


class Microphone(MediaStreamTrack):
    """Plays what it was given, in real time, and silence in between."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._pcm = bytearray()
        self._frames = 0
        self._start_s = 0.0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.spoken_at_s = 0.0  # when the last voiced frame left

    def say(self, pcm: bytes) -> None:
        self._pcm += pcm
        self._quiet.clear()

    async def said(self) -> None:
        await self._quiet.wait()

    async def recv(self) -> AudioFrame:
        if self._frames == 0:
            self._start_s = time.monotonic()
        due = self._start_s + self._frames * 0.02
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        pcm = bytes(self._pcm[:640])
        del self._pcm[:640]
        if pcm:
            self.spoken_at_s = time.monotonic()
        else:
            self._quiet.set()
        # Stereo: aiortc's encoder would make mono 3 dB quieter.
        both = np.repeat(np.frombuffer(pcm.ljust(640, b"\0"), "<i2"), 2).reshape(1, -1)
        frame = AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate = MIC_HZ
        frame.time_base = fractions.Fraction(1, MIC_HZ)
        frame.pts = self._frames * 320
        self._frames += 1
        return frame


class AiortcClient:
    """One call as a program makes it: SDP by HTTP, audio both ways, the data channel."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.microphone = Microphone()
        self.events: list[Event] = []
        self.heard = bytearray()  # mono s16le at ``heard_hz``
        self.heard_hz = HEARD_HZ  # another one with telephone codecs
        self.heard_at_s: list[float] = []  # arrival of each 20 ms of it
        self.location = ""
        self.etag = ""
        self.answer = ""
        self._news = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.addTrack(self.microphone)
        self.pc.on("track", self._on_track)
        self.channel = self.pc.createDataChannel("events")
        self.channel.on("open", lambda: self.send(type="hello", protocol=1, after_seq=0))
        self.channel.on("message", self._on_message)

    async def __aenter__(self) -> AiortcClient:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def call(self, **query: str) -> None:
        """POST the offer, take the answer."""
        headers = {"Content-Type": "application/sdp"}
        offer = await self.offer()
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{self.url}/v1/calls", params=query, data=offer.encode(), headers=headers
            ) as response,
        ):
            self.answer = await response.text()
            assert response.status == 201, self.answer
            self.location = response.headers["Location"]
            self.etag = response.headers["ETag"]
        await self.pc.setRemoteDescription(RTCSessionDescription(self.answer, "answer"))

    async def get(self) -> Event:
        async with aiohttp.ClientSession() as http, http.get(self.location) as response:
            document = await response.json()
            assert isinstance(document, dict)
            return document

    async def hang_up(self) -> int:
        async with aiohttp.ClientSession() as http, http.delete(self.location) as response:
            return response.status

    def send(self, **message: Any) -> None:
        self.channel.send(json.dumps(message))

    async def wait_for(
        self,
        type_: str,
        fits: Callable[[Event], bool] = lambda event: True,
        *,
        timeout_s: float = 20.0,
        **fields: Any,
    ) -> Event:
        """The first event, past or to come, of this type with these fields."""

        def found() -> Event | None:
            for event in self.events:
                if event["type"] == type_ and fields.items() <= event.items() and fits(event):
                    return event
            return None

        try:
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait_for(lambda: found() is not None)
        except TimeoutError:
            seen = [(event["type"], event.get("turn")) for event in self.events]
            raise AssertionError(f"no {type_} {fields} in {timeout_s} s; had {seen}") from None
        event = found()
        assert event is not None
        return event

    def transcript(self, speaker: str, turn: int) -> str:
        return "".join(
            event["text"]
            for event in self.events
            if event["type"] == f"transcript.{speaker}"
            and event["turn"] == turn
            and not event["interim"]
        )

    def heard_samples(self) -> np.ndarray[Any, np.dtype[np.int16]]:
        return np.frombuffer(bytes(self.heard), "<i2")

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.microphone.stop()
        await self.pc.close()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.create_task(self._listen(track)))

    async def _listen(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                self.heard_hz = frame.sample_rate
                samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
                self.heard_at_s.append(time.monotonic())
                self.heard += samples[:, 0].astype("<i2").tobytes()

    def _on_message(self, text: str) -> None:
        self.events.append(json.loads(text))
        self._tasks.append(asyncio.create_task(self._tell()))

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

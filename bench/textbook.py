"""A gateway as everybody writes it first, to compare with: aiortc, aiohttp, websockets."""

import asyncio
import base64
import fractions
import json
import os

from aiohttp import web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError
from av import AudioFrame, AudioResampler
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


def frame_of(pcm: bytes, layout: str, rate_hz: int) -> AudioFrame:
    frame = AudioFrame("s16", layout, len(pcm) // (4 if layout == "stereo" else 2))
    frame.planes[0].update(pcm)
    frame.sample_rate = rate_hz
    return frame


class Reply(AudioStreamTrack):
    def __init__(self) -> None:
        super().__init__()
        self.pcm = bytearray()  # 48 kHz stereo

    async def recv(self) -> AudioFrame:
        silence = await super().recv()  # a dummy's, at 8 kHz, at the right time
        frame = frame_of(bytes(self.pcm[:3840]).ljust(3840, b"\0"), "stereo", 48_000)
        del self.pcm[:3840]
        frame.pts, frame.time_base = (silence.pts or 0) * 6, fractions.Fraction(1, 48_000)
        return frame


async def listen(track: MediaStreamTrack, live: ClientConnection) -> None:
    resampler = AudioResampler("s16", "mono", 16_000)
    while True:
        sound = await track.recv()
        assert isinstance(sound, AudioFrame)
        for frame in resampler.resample(sound):
            data = base64.b64encode(bytes(frame.planes[0])[: frame.samples * 2]).decode()
            audio = {"mimeType": "audio/pcm;rate=16000", "data": data}
            await live.send(json.dumps({"realtimeInput": {"audio": audio}}))


async def speak(live: ClientConnection, reply: Reply) -> None:
    resampler = AudioResampler("s16", "stereo", 48_000)
    async for message in live:
        content = json.loads(message).get("serverContent", {})
        for part in content.get("modelTurn", {}).get("parts", []):
            pcm = base64.b64decode(part["inlineData"]["data"])
            for frame in resampler.resample(frame_of(pcm, "mono", 24_000)):
                reply.pcm += bytes(frame.planes[0])[: frame.samples * 4]
        if content.get("interrupted"):
            reply.pcm.clear()


async def talk(track: MediaStreamTrack, reply: Reply) -> None:
    try:
        async with connect(os.environ["LIVEGATE_LIVE_URL"], compression=None) as live:
            await live.send(json.dumps({"setup": {"model": "models/textbook"}}))
            await live.recv()
            await asyncio.gather(listen(track, live), speak(live, reply))
    except (MediaStreamError, ConnectionClosed):
        pass


async def answer(request: web.Request) -> web.Response:
    pc, reply = RTCPeerConnection(RTCConfiguration(iceServers=[])), Reply()
    tasks: set[asyncio.Task[None]] = request.app["tasks"]
    pc.on("track", lambda track: tasks.add(asyncio.create_task(talk(track, reply))))
    await pc.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
    pc.addTrack(reply)
    await pc.setLocalDescription(await pc.createAnswer())
    sdp = pc.localDescription.sdp
    return web.Response(status=201, text=sdp, content_type="application/sdp")


def main() -> None:
    app = web.Application()
    app["tasks"] = set()
    app.router.add_post("/v1/calls", answer)
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("LIVEGATE_PORT", "8080")))


if __name__ == "__main__":
    main()

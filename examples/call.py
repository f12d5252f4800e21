"""Call a gateway from a program: speak a WAV file, print the talk, keep the reply.

    python examples/call.py http://127.0.0.1:8080 question.wav --reply reply.wav
    python examples/call.py http://127.0.0.1:8080 --text "Tell me a story"

Plain aiortc and aiohttp; nothing of livegate is imported.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole, MediaPlayer, MediaRecorder


async def call(url: str, wav: str | None, text: str | None, reply: str | None) -> None:
    # Without the empty list aiortc would ask a public STUN server.
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    if wav:
        peer.addTrack(MediaPlayer(wav).audio)
    else:
        peer.addTransceiver("audio", direction="recvonly")
    recorder = MediaRecorder(reply) if reply else MediaBlackhole()
    peer.on("track", recorder.addTrack)

    events = peer.createDataChannel("events")
    finished = asyncio.Event()
    asked: set[int] = set()  # turns in which we said something
    speaking = ""

    @events.on("open")
    def greet() -> None:
        events.send(json.dumps({"type": "hello", "protocol": 1}))
        if text:
            events.send(json.dumps({"type": "input.text", "text": text}))

    @events.on("message")
    def show(message: str) -> None:
        nonlocal speaking
        event = json.loads(message)
        match event["type"]:
            case "transcript.user" | "transcript.model" if event["text"] and not event["interim"]:
                speaker = event["type"].removeprefix("transcript.")
                print(
                    "" if speaker == speaking else f"\n{speaker}: ", event["text"], sep="", end=""
                )
                sys.stdout.flush()
                speaking = speaker
                if speaker == "user":
                    asked.add(event["turn"])
            case "turn.completed" if event["turn"] in asked:
                finished.set()
            case "error" | "call.ended":
                print(f"\n{event['type']}: {event['message']}")
                if event["type"] == "call.ended":
                    finished.set()

    await peer.setLocalDescription(await peer.createOffer())
    async with aiohttp.ClientSession() as http:
        offer = peer.localDescription.sdp.encode()
        headers = {"Content-Type": "application/sdp"}
        async with http.post(f"{url}/v1/calls", data=offer, headers=headers) as response:
            answer = await response.text()
            if response.status != 201:
                await peer.close()
                raise SystemExit(f"{response.status}: {answer}")
            location = response.headers["Location"]
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await recorder.start()
        await finished.wait()
        await http.delete(location)
    await recorder.stop()
    await peer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Call a livegate gateway.")
    parser.add_argument("url", help="such as http://127.0.0.1:8080")
    parser.add_argument("wav", nargs="?", help="what to say, a WAV file")
    parser.add_argument("--text", help="what to type instead")
    parser.add_argument("--reply", help="WAV file for what is heard")
    arguments = parser.parse_args()
    if not arguments.wav and not arguments.text:
        parser.error("give a WAV file or --text")
    asyncio.run(call(arguments.url, arguments.wav, arguments.text, arguments.reply))


if __name__ == "__main__":
    main()

"""Call a gateway from a program: speak a WAV file, print the talk, keep the reply.

    python examples/call.py http://127.0.0.1:8080 question.wav --reply reply.wav
    python examples/call.py http://127.0.0.1:8080 --text "Tell me a story"

The call ends when all has been said and answered.  Plain aiortc and aiohttp;
nothing of livegate is imported.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json

import aiohttp
import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole, MediaPlayer, MediaRecorder
from aiortc.mediastreams import MediaStreamTrack

UNUSABLE = (av.FFmpegError, OSError, ValueError)  # what a file may fail with


class Talk:
    """What both sides have said, as far as it decides when the call is over."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.all_said = asyncio.Event()  # the WAV file has ended, or the text was sent
        self.answered = asyncio.Event()
        self.failure: str | None = None
        self._said = 0  # the newest turn in which we said something
        self._done = 0  # the newest turn whose reply is over
        self._done_since = False  # one was, after all had been said
        self._speaker = ""

    def finish_saying(self) -> None:
        self.all_said.set()
        self._judge()

    def receive(self, event: dict) -> None:
        match event["type"]:
            case "speech.started":
                self._said = max(self._said, event["turn"])
            case "transcript.user" | "transcript.model" if event["text"] and not event["interim"]:
                speaker = event["type"].removeprefix("transcript.")
                if speaker == "user":
                    self._said = max(self._said, event["turn"])
                self._print(speaker, event["text"])
            case "turn.completed" | "turn.interrupted":
                self._done = max(self._done, event["turn"])
                self._done_since = self.all_said.is_set()
                self._judge()
            case "error":
                self._end_line()
                print(f"error: {event['message']}")
            case "call.ended":
                self.fail(f"the call has ended: {event['message']}")

    def fail(self, words: str) -> None:
        self.failure = words
        for event in (self.connected, self.all_said, self.answered):
            event.set()

    def close(self) -> None:
        self._end_line()

    def _judge(self) -> None:
        # Where nothing was heard of what we said, any reply that comes after it will do.
        enough = self._done >= self._said if self._said else self._done_since
        if self.all_said.is_set() and enough:
            self.answered.set()

    def _print(self, speaker: str, text: str) -> None:
        if speaker != self._speaker:
            self._end_line()
            print(f"{speaker}: ", end="")
        self._speaker = speaker
        print(text, end="", flush=True)

    def _end_line(self) -> None:
        if self._speaker:
            print()
        self._speaker = ""


async def call(
    url: str, wav: str | None, text: str | None, reply: str | None, timeout_s: float
) -> None:
    talk = Talk()
    voice = open_wav(wav) if wav else None
    recorder = open_reply(reply) if reply else MediaBlackhole()
    # Without the empty list aiortc would ask a public STUN server.
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.on("track", recorder.addTrack)
    if voice:
        voice.on("ended", talk.finish_saying)
        peer.addTrack(voice)
    else:
        peer.addTransceiver("audio", direction="recvonly")

    events = peer.createDataChannel("events")
    events.on("message", lambda message: talk.receive(json.loads(message)))

    @events.on("open")
    def greet() -> None:
        events.send(json.dumps({"type": "hello", "protocol": 1}))
        talk.connected.set()
        if text:
            events.send(json.dumps({"type": "input.text", "text": text}))
        if text and not voice:
            talk.finish_saying()

    limit = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with aiohttp.ClientSession(timeout=limit) as http:
            location = await open_call(http, url, peer)
            try:
                await recorder.start()
                await within(timeout_s, talk.connected, "no connection for sound")
                await talk.all_said.wait()
                await within(timeout_s, talk.answered, "no reply")
                if talk.failure:
                    raise SystemExit(talk.failure)
            finally:
                talk.close()
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    await http.delete(location)
    finally:
        await recorder.stop()
        await peer.close()


async def open_call(http: aiohttp.ClientSession, url: str, peer: RTCPeerConnection) -> str:
    """Offer, answer; the address of the call."""
    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp.encode()
    headers = {"Content-Type": "application/sdp"}
    try:
        async with http.post(
            f"{url.rstrip('/')}/v1/calls", data=offer, headers=headers
        ) as response:
            answer = await response.text()
    except aiohttp.InvalidURL:
        raise SystemExit(f"{url} is not an address such as http://127.0.0.1:8080") from None
    except aiohttp.ClientConnectionError:
        raise SystemExit(f"cannot reach {url}: is the gateway running?") from None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SystemExit(f"{url} does not answer as a gateway: {type(error).__name__}") from None
    if response.status != 201 or "Location" not in response.headers:
        raise SystemExit(f"{url} refused the call: {response.status} {refusal(answer)}")
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return response.headers["Location"]


async def within(limit_s: float, event: asyncio.Event, trouble: str) -> None:
    try:
        await asyncio.wait_for(event.wait(), limit_s)
    except TimeoutError:
        raise SystemExit(f"{trouble} within {limit_s:g} s") from None


def refusal(body: str) -> str:
    """The sentence of a problem document."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return "without a reason: is it a livegate gateway?"


def open_wav(path: str) -> MediaStreamTrack:
    try:
        track = MediaPlayer(path).audio
    except UNUSABLE as error:
        raise SystemExit(f"cannot read {path}: {words(error)}") from None
    if track is None:
        raise SystemExit(f"cannot read {path}: there is no sound in it")
    return track


def open_reply(path: str) -> MediaRecorder:
    try:
        open(path, "ab").close()  # the recorder would find out at its first packet
        return MediaRecorder(path)
    except UNUSABLE as error:
        raise SystemExit(f"cannot write {path}: {words(error)}") from None


def words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def main() -> None:
    parser = argparse.ArgumentParser(description="Call a livegate gateway.")
    parser.add_argument("url", help="such as http://127.0.0.1:8080")
    parser.add_argument("wav", nargs="?", help="what to say, a WAV file")
    parser.add_argument("--text", help="what to type instead")
    parser.add_argument("--reply", help="WAV file for what is heard")
    parser.add_argument(
        "--timeout",
        type=float,
        default=30,
        metavar="S",
        help="seconds to connect in, and to wait for the reply when all has been said (30)",
    )
    arguments = parser.parse_args()
    if not arguments.wav and not arguments.text:
        parser.error("give a WAV file or --text")
    if not arguments.timeout > 0:
        parser.error("--timeout must be above 0")
    asyncio.run(
        call(arguments.url, arguments.wav, arguments.text, arguments.reply, arguments.timeout)
    )


if __name__ == "__main__":
    main()

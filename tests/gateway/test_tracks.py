"""The aiortc engine's tracks by measurement, and its answers to real offers."""

from __future__ import annotations

import asyncio
import datetime
import fractions
import time
from pathlib import Path

import aioice.ice
import numpy as np
import pytest
from aiortc import (
    MediaStreamTrack,
    RTCCertificate,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    sdp,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from gateway.errors import BadOffer
from gateway.peer import DOWNLINK_FRAME_BYTES
from gateway.tracks import AiortcPeer, PlayoutTrack, UplinkTrack, prepare_aiortc
from tests.support.audio import Samples, frequency_hz, level_dbfs, samples_of, tone
from tests.support.leaks import nothing_left

DATA = Path(__file__).parents[1] / "data" / "sdp"


class Source(MediaStreamTrack):
    """Frames of a tone, as aiortc's decoders make them, and then the end."""

    kind = "audio"

    def __init__(self, hz: float, frames: int, rate_hz: int = 48000, channels: int = 2) -> None:
        super().__init__()
        size = rate_hz // 50
        mono = np.frombuffer(tone(hz, rate_hz, frames / 50), "<i2").reshape(frames, size)
        layout = "stereo" if channels == 2 else "mono"
        self._frames = []
        for samples in mono:
            data = np.repeat(samples, channels).reshape(1, -1)
            frame = AudioFrame.from_ndarray(data, format="s16", layout=layout)
            frame.sample_rate = rate_hz
            frame.time_base = fractions.Fraction(1, rate_hz)
            self._frames.append(frame)

    async def recv(self) -> AudioFrame:
        if not self._frames:
            raise MediaStreamError
        return self._frames.pop(0)


async def read_all(track: MediaStreamTrack) -> list[AudioFrame]:
    frames = []
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return frames
        assert isinstance(frame, AudioFrame)
        frames.append(frame)


def pcm_of(frames: list[AudioFrame]) -> bytes:
    return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)


def left_of(frames: list[AudioFrame]) -> Samples:
    """One channel of interleaved stereo frames."""
    return np.concatenate([frame.to_ndarray().ravel()[::2] for frame in frames]).astype(float)


@pytest.mark.unit
@pytest.mark.parametrize(("rate_hz", "channels"), [(48000, 2), (48000, 1), (16000, 1), (8000, 1)])
async def test_uplink_gives_16_khz_mono_of_whatever_was_decoded(
    rate_hz: int, channels: int
) -> None:
    frames = await read_all(UplinkTrack(Source(1000, 50, rate_hz, channels)))
    assert {(f.sample_rate, f.layout.name, f.format.name) for f in frames} == {
        (16000, "mono", "s16")
    }
    samples = samples_of(pcm_of(frames))
    assert len(samples) == pytest.approx(16000, abs=80)
    assert frequency_hz(samples, 16000) == pytest.approx(1000, abs=2)
    assert level_dbfs(samples[800:-800]) == pytest.approx(-15.3, abs=0.2)
    pts = [frame.pts for frame in frames]
    assert all(b - a == f.samples for a, b, f in zip(pts, pts[1:], frames, strict=False))


class Reply:
    """A playout of so many frames of a tone, then nothing."""

    def __init__(self, hz: float, frames: int) -> None:
        pcm = tone(hz, 24000, frames / 50)
        size = DOWNLINK_FRAME_BYTES
        self.frames = [pcm[at : at + size] for at in range(0, len(pcm), size)]

    def pull(self) -> bytes | None:
        return self.frames.pop(0) if self.frames else None


@pytest.mark.integration
async def test_playout_is_even_48_khz_and_silence_when_there_is_nothing() -> None:
    track = PlayoutTrack(Reply(1000, 25))
    frames = []
    at_s = []
    begin = time.monotonic()
    for _ in range(50):
        frame = await track.recv()
        frames.append(frame)
        at_s.append(time.monotonic() - begin)
    assert {(f.sample_rate, f.samples, f.layout.name) for f in frames} == {(48000, 960, "stereo")}
    assert [frame.pts for frame in frames] == [960 * number for number in range(50)]
    samples = left_of(frames)
    assert frequency_hz(samples[2000:22000], 48000) == pytest.approx(1000, abs=3)
    assert level_dbfs(samples[2000:22000]) == pytest.approx(-15.3, abs=0.2)
    assert level_dbfs(samples[26000:]) < -90
    assert at_s[-1] >= 49 * 0.02 - 0.001, "never faster than real time"
    track.stop()
    with pytest.raises(MediaStreamError):
        await track.recv()


class Listener:
    """Records what a peer tells its call."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.spoken_to = asyncio.Event()
        self.gone: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.audio = bytearray()
        self.messages: list[str | bytes] = []

    def on_connected(self) -> None:
        self.connected.set()

    def on_audio(self, pcm: bytes) -> None:
        self.audio += pcm

    def on_message(self, message: str | bytes) -> None:
        self.messages.append(message)
        self.spoken_to.set()

    def on_gone(self, *, hung_up: bool) -> None:
        if not self.gone.done():
            self.gone.set_result(hung_up)


@pytest.mark.integration
@pytest.mark.parametrize("name", ["chromium-audio-data", "chromium-audio-video-data"])
async def test_an_answer_has_every_section_of_the_offer(name: str) -> None:
    prepare_aiortc(loopback=True)
    offer = (DATA / f"{name}.sdp").read_bytes().decode()
    async with nothing_left():
        peer = AiortcPeer(Listener(), Reply(1000, 0))
        answer = sdp.SessionDescription.parse(await peer.answer(offer))
        await peer.aclose()
    wanted = sdp.SessionDescription.parse(offer)
    assert [m.kind for m in answer.media] == [m.kind for m in wanted.media]
    assert [m.rtp.muxId for m in answer.media] == [m.rtp.muxId for m in wanted.media]
    assert answer.media[0].direction == "sendrecv"
    assert [m.port == 0 for m in answer.media] == [m.kind == "video" for m in wanted.media]
    codecs = [codec.mimeType.lower() for codec in answer.media[0].rtp.codecs]
    assert codecs[0] == "audio/opus"
    prints = [f.algorithm for m in answer.media if m.dtls for f in m.dtls.fingerprints]
    assert set(prints) == {"sha-256"}


@pytest.mark.integration
async def test_who_only_sends_gets_a_receive_only_answer() -> None:
    offer = (DATA / "chromium-audio-data.sdp").read_bytes().decode()
    peer = AiortcPeer(Listener(), Reply(1000, 0))
    answer = await peer.answer(offer.replace("a=sendrecv", "a=sendonly"))
    await peer.aclose()
    assert "a=recvonly" in answer


@pytest.mark.integration
@pytest.mark.parametrize("broken", ["a=ice-ufrag", "a=setup", "a=rtcp-mux"])
async def test_a_broken_offer_leaves_nothing_open(broken: str) -> None:
    offer = (DATA / "chromium-audio-data.sdp").read_bytes().decode()
    async with nothing_left():
        peer = AiortcPeer(Listener(), Reply(1000, 0))
        with pytest.raises(BadOffer):
            await peer.answer(offer.replace(broken, "a=x-nothing"))
        await peer.aclose()


def rsa_certificate() -> RTCCertificate:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    day = datetime.timedelta(days=1)
    builder = builder.not_valid_before(now - day).not_valid_after(now + day)
    return RTCCertificate(key=key, cert=builder.sign(key, hashes.SHA256()))


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
async def test_audio_and_messages_go_both_ways(kind: str) -> None:
    prepare_aiortc(loopback=True)
    async with nothing_left():
        listener = Listener()
        peer = AiortcPeer(listener, Reply(600, 200))
        client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if kind == "rsa":
            client._RTCPeerConnection__certificates = [rsa_certificate()]
        client.addTrack(PlayoutTrack(Reply(1000, 200)))
        channel = client.createDataChannel("events")
        stray = client.createDataChannel("stray")
        heard: asyncio.Queue[str] = asyncio.Queue()
        channel.on("message", heard.put_nowait)
        channel.on("open", lambda: channel.send("hello"))
        frames: list[AudioFrame] = []

        async def listen(track: MediaStreamTrack) -> None:
            frames.extend(await read_all(track))

        listening: list[asyncio.Task[None]] = []
        client.on("track", lambda track: listening.append(asyncio.create_task(listen(track))))
        await client.setLocalDescription(await client.createOffer())
        answer = await peer.answer(client.localDescription.sdp)
        await client.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(15):
            await listener.connected.wait()
            await listener.spoken_to.wait()
            peer.send("good day")
            assert await heard.get() == "good day"
            await peer.drained()
            await asyncio.sleep(2)
        assert listener.messages == ["hello"]
        assert stray.readyState in ("open", "closing", "closed")
        uplink = samples_of(bytes(listener.audio))
        assert frequency_hz(uplink[-8000:], 16000) == pytest.approx(1000, abs=5)
        await client.close()
        assert await asyncio.wait_for(listener.gone, 5) is True
        await asyncio.gather(*listening)
        downlink = left_of(frames)[-24000:]
        assert frequency_hz(downlink, 48000) == pytest.approx(600, abs=5)
        for samples in (uplink[-8000:], downlink):
            assert level_dbfs(samples) == pytest.approx(-15.3, abs=0.5), "as loud as it was"
        await peer.aclose()
        await peer.aclose()


@pytest.mark.unit
def test_loopback_is_gathered_when_asked() -> None:
    prepare_aiortc(loopback=True)
    assert "127.0.0.1" in aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False)
    assert "127.0.0.1" not in aioice.ice.get_host_addresses(use_ipv4=False, use_ipv6=True)

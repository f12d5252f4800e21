"""The aiortc engine: an ordinary ``RTCPeerConnection`` whose tracks resample.

Two media tracks carry a call.  :class:`UplinkTrack` wraps the client's track
and resamples what Opus decodes to (48 kHz) down to the 16 kHz mono PCM the
Live API takes.  :class:`PlayoutTrack` is the clock of the other direction:
every 20 ms it pulls one frame of the model's 24 kHz PCM and resamples it up.
:class:`AiortcPeer` puts them behind the seam of ``gateway.peer``.
"""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import logging
import secrets
import struct
import time
from collections.abc import Coroutine
from typing import Any

import aioice.ice
import numpy as np
import numpy.typing as npt
from aiortc import (
    InvalidStateError,
    MediaStreamTrack,
    RTCCertificate,
    RTCConfiguration,
    RTCDataChannel,
    RTCDtlsTransport,
    RTCIceServer,
    RTCIceTransport,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import SRTPProtectionProfile
from aiortc.rtp import RtpPacket
from av import AudioFrame
from OpenSSL import SSL

from gateway.errors import BadOffer, CannotChange, UnknownUfrag
from gateway.media.resample import Resampler
from gateway.peer import (
    DOWNLINK_FRAME_BYTES,
    DOWNLINK_HZ,
    FRAME_MS,
    UPLINK_HZ,
    PeerListener,
    Playout,
)
from gateway.rtc.fragment import parse_fragment
from gateway.rtc.guard import MAX_SSRCS, is_harmless_sctp
from gateway.rtc.offer import reduce_offer, restore_answer

logger = logging.getLogger(__name__)

CHANNEL_LABEL = "events"
CHANNEL_LIMIT_BYTES = 1 << 20  # of events that a client has not taken
CLOSE_S = 5.0  # longer than an orderly goodbye takes
OPUS_HZ = 48000
_FRAME_SAMPLES = OPUS_HZ * FRAME_MS // 1000
_SILENCE = bytes(DOWNLINK_FRAME_BYTES)
_NO_CHANGE = "This gateway's WebRTC engine can neither restart ICE nor take a second offer."
_RSA_SUITES = b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305"
_ECDSA_SUITES = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305"
    b":ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"
)


class UplinkTrack(MediaStreamTrack):
    """The client's audio as 16 kHz mono s16 frames.

    ``recv()`` returns what one frame of the source became, about 20 ms; it
    raises ``MediaStreamError`` when the source has ended.  The source must be
    read without pause: aiortc queues decoded frames without a limit.
    """

    kind = "audio"

    def __init__(self, source: MediaStreamTrack) -> None:
        super().__init__()
        self._source = source
        self._resampler: Resampler | None = None
        self._samples = 0

    async def recv(self) -> AudioFrame:
        while True:
            frame = await self._source.recv()
            assert isinstance(frame, AudioFrame), "an audio track gives audio frames"
            pcm = self._resample(frame)
            if pcm:
                return self._frame(pcm)

    def _resample(self, frame: AudioFrame) -> bytes:
        channels = len(frame.layout.channels)
        form = (frame.sample_rate, channels)
        if self._resampler is None or form != (self._resampler.in_hz, self._resampler.channels):
            self._resampler = Resampler(frame.sample_rate, UPLINK_HZ, channels)
        return self._resampler.push_frame(frame)

    def _frame(self, pcm: bytes) -> AudioFrame:
        frame = _mono_frame(pcm, UPLINK_HZ)
        frame.pts = self._samples
        self._samples += frame.samples
        return frame


class PlayoutTrack(MediaStreamTrack):
    """The model's voice as an even stream of 48 kHz frames, one per 20 ms.

    aiortc calls ``recv()`` in a loop; each call waits for the next point of
    the 20 ms grid and pulls one frame.  When the source has nothing the frame
    is silence, so the time stamps run evenly for the life of the call.
    """

    kind = "audio"

    def __init__(self, source: Playout) -> None:
        super().__init__()
        self._source = source
        self._resampler = Resampler(DOWNLINK_HZ, OPUS_HZ)
        # The filter's first output is a few samples short; this much silence
        # in front makes every later frame whole.
        self._ready = bytearray(self._resampler.push(_SILENCE))
        self._start_s = 0.0
        self._frames = 0

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        now = time.monotonic()
        if self._frames == 0:
            self._start_s = now
        due = self._start_s + self._frames * FRAME_MS / 1000
        if due > now:
            await asyncio.sleep(due - now)
        elif now - due > 0.2:
            # The loop was away; catching up would play a burst at once.
            self._start_s += now - due
        self._ready += self._resampler.push(self._source.pull() or _SILENCE)
        size = _FRAME_SAMPLES * 2
        pcm, self._ready = bytes(self._ready[:size]), self._ready[size:]
        assert len(pcm) == size, "each frame in makes one frame out"
        frame = _stereo_frame(pcm, OPUS_HZ)
        frame.pts = self._frames * _FRAME_SAMPLES
        self._frames += 1
        return frame


def _mono_frame(pcm: bytes, rate_hz: int) -> AudioFrame:
    return _frame(np.frombuffer(pcm, np.int16), "mono", rate_hz)


def _stereo_frame(pcm: bytes, rate_hz: int) -> AudioFrame:
    """Both channels alike: aiortc's encoder makes mono stereo too, 3 dB quieter."""
    return _frame(np.repeat(np.frombuffer(pcm, np.int16), 2), "stereo", rate_hz)


def _frame(samples: npt.NDArray[np.int16], layout: str, rate_hz: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = rate_hz
    frame.time_base = fractions.Fraction(1, rate_hz)
    return frame


class _PeerConnection(RTCPeerConnection):
    """aiortc connects in a task nobody holds; closed meanwhile, that task would complain."""

    async def _RTCPeerConnection__connect(self) -> None:
        try:
            await super()._RTCPeerConnection__connect()  # type: ignore[misc]
        except (InvalidStateError, ConnectionError):
            if self.connectionState != "closed" and self.signalingState != "closed":
                raise


class AiortcPeer:
    """A :class:`gateway.peer.Peer` on aiortc; one use each."""

    def __init__(
        self, listener: PeerListener, playout: Playout, *, stun_urls: tuple[str, ...] = ()
    ) -> None:
        self._listener = listener
        self._playout = PlayoutTrack(playout)
        self._channel: RTCDataChannel | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self._etag = secrets.token_hex(8)
        # With no list aiortc would ask a public STUN server, and every answer
        # would wait for it.
        servers = [RTCIceServer(urls=list(stun_urls))] if stun_urls else []
        self._pc = _PeerConnection(RTCConfiguration(iceServers=servers))
        self._pc.on("track", self._on_track)
        self._pc.on("datachannel", self._on_channel)
        self._pc.on("connectionstatechange", self._on_state)

    async def answer(self, offer: str) -> str:
        reduced = reduce_offer(offer)
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(reduced.sdp, "offer"))
            sender = self._pc.addTrack(self._playout)
            self._watch(sender.transport)
            self._guard()
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        except (ValueError, LookupError, AttributeError) as error:
            # What aiortc raises for a description that reads well and makes no sense.
            raise BadOffer(f"the offer cannot be answered: {error}") from error
        if "send" not in (self._pc.getTransceivers()[0].currentDirection or ""):
            self._start(self._play_to_nobody(), "playout")
        return restore_answer(self._pc.localDescription.sdp, reduced.rejected)

    @property
    def has_channel(self) -> bool:
        return self._pc.sctp is not None

    @property
    def etag(self) -> str:
        return self._etag

    async def renegotiate(self, offer: str) -> str:
        raise CannotChange(_NO_CHANGE)

    def patch(self, fragment: str, *, may_restart: bool) -> str | None:
        """Candidates are not needed: aioice learns addresses from the client's checks."""
        wanted = parse_fragment(fragment)
        ice = self._pc.getTransceivers()[0].receiver.transport.transport
        if wanted.ufrag == ice._connection.remote_username:
            return None
        if not may_restart:
            raise UnknownUfrag("The fragment's a=ice-ufrag is not of the offer.")
        raise CannotChange(_NO_CHANGE)

    def wake(self) -> None:
        """The playout track always pulls."""

    def send(self, message: str) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return
        if channel.bufferedAmount > CHANNEL_LIMIT_BYTES:
            logger.debug("the client does not read its data channel: an event is dropped")
            return
        try:
            channel.send(message)
        except (ValueError, InvalidStateError) as error:
            logger.debug("an event is dropped: %s", error)

    async def drained(self) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open" or not channel.bufferedAmount:
            return
        low = asyncio.Event()
        channel.once("bufferedamountlow", low.set)
        channel.once("close", low.set)
        await low.wait()

    def counters(self) -> dict[str, int]:
        return {}

    async def aclose(self) -> None:
        self._closing = True
        try:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            self._playout.stop()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pc.close(), CLOSE_S)

    def _on_state(self) -> None:
        if self._closing:
            return
        match self._pc.connectionState:
            case "connected":
                self._listener.on_connected()
            case "failed":
                self._listener.on_gone(hung_up=False)
            case _:
                pass

    def _on_dtls_state(self, dtls: RTCDtlsTransport) -> None:
        """DTLS has closed: the client said goodbye, or ICE was given up underneath.

        aiortc closes the connection either way; only the ICE agent, which
        closes itself when consent has expired, tells which it was.
        """
        if dtls.state == "closed" and not self._closing:
            self._listener.on_gone(hung_up=not dtls.transport._connection._closing)

    def _on_track(self, track: MediaStreamTrack) -> None:
        assert track.kind == "audio", "the reduced offer has no video section"
        self._start(self._read(UplinkTrack(track)), "uplink track")

    def _watch(self, dtls: RTCDtlsTransport) -> None:
        dtls.on("statechange", lambda: self._on_dtls_state(dtls))

    def _guard(self) -> None:
        """Keep from aiortc what it cannot bear; see ``gateway.rtc.guard``.

        It has no place to hang a filter, so these are its own methods, wrapped
        on the instances of this connection.
        """
        transceiver = self._pc.getTransceivers()[0]
        receiver, sctp = transceiver.receiver, self._pc.sctp
        take_rtp, ssrcs = receiver._handle_rtp_packet, set[int]()

        async def handle_rtp_packet(packet: RtpPacket, arrival_time_ms: int) -> None:
            if len(ssrcs) < MAX_SSRCS:
                ssrcs.add(packet.ssrc)
            if packet.ssrc in ssrcs:
                await take_rtp(packet, arrival_time_ms)

        receiver._handle_rtp_packet = handle_rtp_packet  # type: ignore[method-assign]
        if sctp is not None:
            take_sctp = sctp._handle_data

            async def handle_data(data: bytes) -> None:
                if is_harmless_sctp(data):
                    with contextlib.suppress(UnicodeDecodeError, IndexError, struct.error):
                        await take_sctp(data)

            flush = sctp._data_channel_flush

            async def flush_channels() -> None:
                with contextlib.suppress(ConnectionError):  # DTLS is gone, and says so itself
                    await flush()

            sctp._handle_data = handle_data  # type: ignore[method-assign]
            sctp._data_channel_flush = flush_channels  # type: ignore[method-assign]
        for dtls in {receiver.transport, sctp.transport if sctp else receiver.transport}:
            _skip_empty_datagrams(dtls.transport)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def _play_to_nobody(self) -> None:
        """A client that takes no sound still reads when a reply was over."""
        with contextlib.suppress(MediaStreamError):
            while True:
                await self._playout.recv()

    async def _read(self, track: UplinkTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                self._listener.on_audio(bytes(frame.planes[0])[: frame.samples * 2])

    def _on_channel(self, channel: RTCDataChannel) -> None:
        is_open = self._channel is not None and self._channel.readyState in ("connecting", "open")
        if channel.label != CHANNEL_LABEL or is_open:
            logger.debug("a second or unknown data channel is closed")
            channel.close()
            return
        self._channel = channel
        channel.on("message", self._listener.on_message)


def _skip_empty_datagrams(ice: RTCIceTransport) -> None:
    receive = ice._recv

    async def recv() -> bytes:
        while not (data := await receive()):
            pass
        return data

    ice._recv = recv


def prepare_aiortc(*, loopback: bool) -> None:
    """Once per process: what aiortc and aioice leave out.

    * aiortc offers ECDSA cipher suites only; a peer with an RSA certificate
      (GStreamer, many SFUs) could never finish the DTLS handshake.
    * aioice never gathers 127.0.0.1, so that on a machine without a network
      nothing could connect; with ``loopback`` it does.
    """
    RTCCertificate._create_ssl_context = _create_ssl_context  # type: ignore[method-assign, assignment]
    if loopback:
        aioice.ice.get_host_addresses = _host_addresses_with_loopback


_original_ssl_context = RTCCertificate._create_ssl_context
_original_host_addresses = aioice.ice.get_host_addresses


def _create_ssl_context(
    certificate: RTCCertificate, srtp_profiles: list[SRTPProtectionProfile]
) -> SSL.Context:
    context = _original_ssl_context(certificate, srtp_profiles)
    context.set_cipher_list(_ECDSA_SUITES + b":" + _RSA_SUITES)
    return context


def _host_addresses_with_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    addresses = _original_host_addresses(use_ipv4, use_ipv6)
    return [*addresses, "127.0.0.1"] if use_ipv4 else addresses

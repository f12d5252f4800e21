"""The native engine: RTP to 16 kHz PCM and back with nothing in between that waits.

:class:`NativeEngine` is a worker's share: the media sockets, the certificate
and the playout clock of all calls.  :class:`NativePeer` puts one call's
:class:`~gateway.rtc.endpoint.Endpoint`, which knows packets, and the codecs of
``gateway.media``, which know sound, behind the seam of ``gateway.peer``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.media.codecs import AudioEncoder, clock_hz, make_encoder
from gateway.media.receive import AudioReceiver
from gateway.pacer import Pacer
from gateway.peer import DOWNLINK_FRAME_BYTES, FRAME_MS, UPLINK_HZ, PeerListener, Playout
from gateway.rtc.candidates import candidate_lines
from gateway.rtc.certificate import Certificate
from gateway.rtc.endpoint import Endpoint, Place
from gateway.rtc.negotiation import Negotiated
from gateway.rtc.sockets import MediaSockets

TAIL_FRAMES = 10  # of silence behind a talkspurt: receivers play its end when more has come
STREAM_SILENT_S = 0.2  # then another SSRC may take over
AHEAD_S = 2.0  # that a client's sound may be ahead of time: what a stall holds back
# On a clean link bits are cheaper than work: this is nearer to the original than the same
# encoder at 32 kbit/s and full effort, for half the time.
_TUNING: dict[str, dict[str, Any]] = {
    "opus": {"application": "lowdelay", "bitrate_bps": 48_000, "complexity": 0}
}
_SILENCE = bytes(DOWNLINK_FRAME_BYTES)
_PCM_BYTES_PER_S = UPLINK_HZ * 2 * 1.1  # clocks differ


class NativeEngine:
    """What all calls of a worker share.  ``addresses`` are offered to clients.

    ``public_ip`` is the address that a 1:1 NAT shows instead of ours.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        port: int,
        *,
        public_ip: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sockets = MediaSockets(addresses, port, clock=clock)
        self.pacer = Pacer(clock)
        self.clock = clock
        self._public_ip = public_ip
        self._certificate = Certificate()
        self._candidates: tuple[str, ...] = ()

    async def start(self) -> None:
        """Raises :exc:`OSError` when an address or the port cannot be had."""
        await self.sockets.start()
        self._candidates = tuple(
            candidate_lines(
                self.sockets.addresses, self.sockets.port, public_ip=self._public_ip, tcp=True
            )
        )

    async def aclose(self) -> None:
        self.pacer.close()
        await self.sockets.aclose()

    def make_peer(self, listener: PeerListener, playout: Playout) -> NativePeer:
        return NativePeer(self, listener, playout)

    def place(self) -> Place:
        if self._certificate.needs_renewal(datetime.now(UTC)):
            self._certificate = Certificate()  # calls that are open keep theirs
        return Place(self.sockets, self._certificate, self._candidates)


class NativePeer:
    """A :class:`gateway.peer.Peer` on the native engine; one use each."""

    def __init__(self, engine: NativeEngine, listener: PeerListener, playout: Playout) -> None:
        self._engine = engine
        self._listener = listener
        self._playout = playout
        self._clock = engine.clock
        self._endpoint = Endpoint(engine.place(), self, clock=engine.clock)
        # From the client
        self._receiver: AudioReceiver | None = None
        self._ssrc = -1
        self._heard_s = 0.0
        self._sound_s = 0.0  # until when there is sound
        self.excess_bytes = 0
        self._patience: asyncio.TimerHandle | None = None
        # To the client
        self._encoder: AudioEncoder | None = None
        self._encoder_name = ""
        self._payload_type = 0
        self._frame_ticks = 0
        self._ticks = 0
        self._connected = self._playing = self._closed = False
        self._tail = 0

    async def answer(self, offer: str) -> str:
        answer = self._endpoint.answer(offer)
        self._agree()
        return answer

    async def renegotiate(self, offer: str) -> str:
        formats = self._agreed.formats
        answer = self._endpoint.renegotiate(offer)
        self._agree(is_new_stream=self._agreed.formats != formats)
        return answer

    def patch(self, fragment: str, *, may_restart: bool) -> str | None:
        return self._endpoint.patch(fragment, may_restart=may_restart)

    @property
    def etag(self) -> str:
        return self._endpoint.etag

    @property
    def has_channel(self) -> bool:
        return self._agreed.data_channel is not None

    @property
    def _agreed(self) -> Negotiated:
        assert self._endpoint.negotiated is not None, "answered before"
        return self._endpoint.negotiated

    def _agree(self, *, is_new_stream: bool = True) -> None:
        formats = self._agreed.formats
        if is_new_stream:
            self._receiver = AudioReceiver({one.payload_type: one.name for one in formats})
        sent = formats[0]
        self._payload_type = sent.payload_type
        self._frame_ticks = clock_hz(sent.name) * FRAME_MS // 1000
        if self._encoder is None or self._encoder_name != sent.name:
            self._encoder = make_encoder(sent.name, **_TUNING.get(sent.name, {}))
            self._encoder_name = sent.name
            self._ticks = -1  # another clock: what follows is a talkspurt of its own
        # A client that takes no sound costs no encoding, and still reads when a reply is over.
        self._playout.encode_with(self._encoder.encode if self._agreed.sends else None)

    # From the client

    def on_connected(self) -> None:
        self._connected = True
        self._listener.on_connected()
        self.wake()

    def on_rtp(
        self,
        payload_type: int,
        ssrc: int,
        sequence: int,
        timestamp: int,
        payload: bytes,
        now: float,
    ) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        if ssrc != self._ssrc:
            if now - self._heard_s < STREAM_SILENT_S:
                return  # one microphone at a time
            if self._ssrc != -1:
                self._agree()
                receiver = self._receiver
                assert receiver is not None
            self._ssrc = ssrc
        self._heard_s = now
        pcm = receiver.push(payload_type, sequence, timestamp, payload, now)
        if pcm:
            self._hear(pcm, now)
        if self._patience is None and receiver.deadline() is not None:
            self._wait()

    def _wait(self) -> None:
        """Come back when a hole is to be given up."""
        deadline = self._receiver.deadline() if self._receiver is not None else None
        self._patience = None
        if deadline is not None and not self._closed:
            loop = asyncio.get_running_loop()
            wait_s = max(0.001, deadline - self._clock())
            self._patience = loop.call_later(wait_s, self._give_up)

    def _give_up(self) -> None:
        if self._receiver is not None and not self._closed:
            now = self._clock()
            pcm = self._receiver.poll(now)
            if pcm:
                self._hear(pcm, now)
        self._wait()

    def _hear(self, pcm: bytes, now: float) -> None:
        """Pass sound on, unless it comes far faster than anybody speaks."""
        sound_s = max(self._sound_s, now) + len(pcm) / _PCM_BYTES_PER_S
        if sound_s - now > AHEAD_S:
            self.excess_bytes += len(pcm)
            return
        self._sound_s = sound_s
        self._listener.on_audio(pcm)

    def on_message(self, message: str | bytes) -> None:
        self._listener.on_message(message)

    def on_gone(self, *, hung_up: bool) -> None:
        self._listener.on_gone(hung_up=hung_up)

    # To the client

    def wake(self) -> None:
        if self._connected and not self._playing and not self._closed:
            self._playing = True
            self._tail = 0
            self._ticks = -1
            self._engine.pacer.start(self)

    def play(self, due_s: float) -> bool:
        """One frame of a talkspurt, on the pacer's grid (``gateway.pacer.Player``)."""
        frame = None if self._closed else self._playout.pull()
        is_first = self._ticks < 0
        if frame is not None:
            self._tail = TAIL_FRAMES
        elif self._tail and self._encoder is not None and self._agreed.sends and not self._closed:
            self._tail -= 1
            frame = self._encoder.encode(_SILENCE)
        else:
            self._playing = False
            return False
        if is_first:
            # The stream's clock runs on while nothing is sent (RFC 3551 §4.1).
            self._ticks = self._endpoint.ticks(self._frame_ticks * 1000 // FRAME_MS, due_s)
        if self._agreed.sends:
            self._endpoint.send_rtp(frame, self._payload_type, self._ticks, marker=is_first)
        self._ticks += self._frame_ticks
        return True

    def prepare(self) -> None:
        self._playout.prepare()

    def send(self, message: str) -> None:
        self._endpoint.send(message)

    async def drained(self) -> None:
        await self._endpoint.drained()

    async def aclose(self) -> None:
        self._closed = True
        if self._patience is not None:
            self._patience.cancel()
        self._endpoint.close()

    def counters(self) -> dict[str, int]:
        """What was received and repaired, for the call's record."""
        found = self._endpoint.counters()
        receiver = self._receiver
        if receiver is not None:  # of the newest stream
            found["rtp_late"] = receiver.order.late
            found["concealed_ms"] = receiver.concealed_samples // 16
        found["uplink_excess_bytes"] = self.excess_bytes
        return found

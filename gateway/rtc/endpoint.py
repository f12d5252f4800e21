"""One call's WebRTC endpoint: ICE-lite, DTLS, SRTP, RTCP and a data channel on shared sockets.

Answer-only.  :meth:`Endpoint.answer` is ready at once: there is nothing to
gather.  From then on datagrams come in by :meth:`on_check` and
:meth:`on_datagram`, the listener is told, and RTP goes out by
:meth:`send_rtp`.  It knows packets and no codec: payloads are somebody else's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import BadFragment, BadOffer
from gateway.rtc import rtp
from gateway.rtc.certificate import Certificate
from gateway.rtc.channel import EventsChannel, SctpAssociation
from gateway.rtc.dtls import DtlsTransport
from gateway.rtc.ice import IceAgent
from gateway.rtc.negotiation import Negotiated
from gateway.rtc.negotiator import CNAME, Negotiator
from gateway.rtc.rtcp import RtcpSession
from gateway.rtc.sockets import MediaSockets, Path
from gateway.rtc.srtp import Srtp, SrtpError

logger = logging.getLogger(__name__)

PACKETS_PER_S = 500  # that are looked at; a call has 50, and bursts of them after a stall
DTLS_PACKETS = 4  # what a packet of the data channel counts for: it costs so much more
CHECKS_PER_S = 100  # twice what browsers send while they look for a way
TICK_S = 1.0  # at the latest, the endpoint looks at the time


class EndpointListener(Protocol):
    """What an endpoint tells.  Called on the event loop; must not wait."""

    def on_connected(self) -> None:
        """DTLS is up: packets can flow."""

    def on_rtp(
        self,
        payload_type: int,
        ssrc: int,
        sequence: int,
        timestamp: int,
        payload: bytes,
        now: float,
    ) -> None:
        """An authentic RTP packet of a payload type that was negotiated."""

    def on_message(self, message: str | bytes) -> None:
        """A message on the data channel."""

    def on_gone(self, *, hung_up: bool) -> None:
        """The peer said goodbye, or nothing of it has come for six seconds.  Told once."""


@dataclass(frozen=True, slots=True)
class Place:
    """What all endpoints of a worker share."""

    sockets: MediaSockets
    certificate: Certificate
    candidates: tuple[str, ...]


class Endpoint:
    """A peer's WebRTC side.  One use each; needs a running event loop for its timer."""

    def __init__(
        self,
        place: Place,
        listener: EndpointListener,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = place
        self._listener = listener
        self._clock = clock
        self._writer = rtp.RtpWriter()
        self._begin_s = clock()
        self._rtcp = RtcpSession(self._writer, CNAME, now=self._begin_s, unix_s=time.time())
        self._channel = EventsChannel(listener.on_message)
        self._negotiator = Negotiator(
            fingerprint=place.certificate.fingerprint,
            candidates=place.candidates,
            ssrc=self._writer.ssrc,
        )
        self._ice: IceAgent[Path] | None = None
        self._dtls: DtlsTransport | None = None
        self._srtp: Srtp | None = None
        self._sctp: SctpAssociation | None = None
        self._clocks: dict[int, int] = {}  # payload type to its clock rate
        self._timer: asyncio.TimerHandle | None = None
        self._second_s, self._budget, self._checks = 0.0, PACKETS_PER_S, CHECKS_PER_S
        self._gone = self._closed = False
        self.dropped = 0

    # Negotiation

    @property
    def negotiated(self) -> Negotiated | None:
        """The newest agreement."""
        return self._negotiator.agreed

    @property
    def etag(self) -> str:
        """Names this generation of ICE credentials (RFC 9725 §4.3.1)."""
        return self._negotiator.etag

    def answer(self, offer: str) -> str:
        """The whole answer.  Raises :exc:`BadOffer` or :exc:`NoCommonCodec`."""
        agreed = self._negotiator.take(offer)
        now = self._clock()
        self._ice = IceAgent(self._negotiator.credentials, self._negotiator.peer, now=now)
        self._dtls = DtlsTransport(
            self._place.certificate,
            is_client=agreed.is_dtls_client,
            fingerprints=agreed.fingerprints,
        )
        self._agree(agreed)
        self._place.sockets.add(self._negotiator.credentials.ufrag, self)
        self._set_timer()
        return agreed.answer

    def renegotiate(self, offer: str) -> str:
        """A second offer of the same peer; new ICE credentials in it restart ICE.

        Raises as :meth:`answer` does; then everything is as before.
        """
        if self._ice is None or self._closed:
            raise BadOffer("there is nothing to renegotiate")
        agreed = self._negotiator.take(offer)
        if agreed.restarted:
            self._restart(self._ice)
        self._agree(agreed)
        return agreed.answer

    def patch(self, fragment: str, *, may_restart: bool) -> str | None:
        """Trickle ICE or an ICE restart; see :meth:`Negotiator.patch`."""
        if self._ice is None or self._closed:
            raise BadFragment("the call has no connection")
        answer, is_restart = self._negotiator.patch(fragment, may_restart=may_restart)
        if is_restart:
            self._restart(self._ice)
        return answer

    def _restart(self, ice: IceAgent[Path]) -> None:
        before = ice.ufrags
        ice.restart(self._negotiator.credentials, self._negotiator.peer, self._clock())
        self._place.sockets.add(self._negotiator.credentials.ufrag, self)
        self._place.sockets.remove(*(set(before) - set(ice.ufrags)))

    def _agree(self, agreed: Negotiated) -> None:
        self._clocks = {one.payload_type: one.clock_hz for one in agreed.formats}
        channel = agreed.data_channel
        if channel is not None and self._sctp is None:
            self._sctp = SctpAssociation(
                is_dtls_server=not agreed.is_dtls_client,
                remote_port=channel.sctp_port,
                max_message_bytes=channel.max_message_bytes,
                send_packet=self._send_sctp,
                on_channel=self._channel.accept,
            )
            if self._srtp is not None:
                self._sctp.start()

    # Packets in

    def on_check(self, datagram: bytes, path: Path, now: float) -> bool:
        ice = self._ice
        if ice is None or self._closed:
            return False
        if now - self._second_s >= 1.0:
            self._begin_second(now)
        self._checks -= 1
        if self._checks < 0:
            self.dropped += 1
            return ice.has_checked(path)
        before = ice.ufrags
        response = ice.receive(datagram, path, path.address, now)
        if response is not None:
            path.send(response)
        if len(ice.ufrags) < len(before):  # a restart is complete
            self._place.sockets.remove(*(set(before) - set(ice.ufrags)))
        if ice.selected is not None and self._dtls is not None and self._dtls.state == "new":
            self._dtls.start(now)
            self._send_dtls()
            self._set_timer()
        return ice.has_checked(path)

    def on_path_closed(self, path: Path) -> None:
        if self._ice is not None:
            self._ice.forget(path)

    def on_datagram(self, datagram: bytes, path: Path, now: float) -> None:
        if now - self._second_s >= 1.0:
            self._begin_second(now)
        first = datagram[0]
        self._budget -= 1 if first > 63 else DTLS_PACKETS
        if self._budget < 0:
            self.dropped += 1
            return
        if 127 < first < 192:
            self._on_srtp(datagram, path, now)
        elif 19 < first < 64:
            self._on_dtls(datagram, path, now)
        else:
            self.dropped += 1

    def _begin_second(self, now: float) -> None:
        self._second_s, self._budget, self._checks = now, PACKETS_PER_S, CHECKS_PER_S

    def _on_srtp(self, datagram: bytes, path: Path, now: float) -> None:
        srtp, ice = self._srtp, self._ice
        if srtp is None or ice is None or len(datagram) < rtp.HEADER_BYTES:
            self.dropped += 1
            return
        try:
            if 191 < datagram[1] < 224:  # RFC 5761 §4
                self._rtcp.receive(srtp.unprotect_rtcp(datagram), now)
                ice.heard(path, now)
                return
            packet = srtp.unprotect(datagram)
        except SrtpError:
            self.dropped += 1
            return
        ice.heard(path, now)
        header = rtp.parse(packet)
        if header is None:
            self.dropped += 1
            return
        payload_type, _, sequence, timestamp, ssrc, begin, end = header
        clock_hz = self._clocks.get(payload_type)
        if clock_hz is None:
            self.dropped += 1
            return
        self._rtcp.hear_rtp(ssrc, sequence, timestamp, clock_hz, now)
        self._listener.on_rtp(payload_type, ssrc, sequence, timestamp, packet[begin:end], now)

    def _on_dtls(self, datagram: bytes, path: Path, now: float) -> None:
        dtls = self._dtls
        if dtls is None or self._closed:
            return
        packets = dtls.receive(datagram, now)
        if self._srtp is None:  # data may have come close behind the handshake's end
            self._send_dtls()
            self._look_at_dtls(dtls)
        for packet in packets:
            if self._ice is not None:
                self._ice.heard(path, now)
            if self._sctp is not None:
                self._sctp.receive(packet)
        self._send_dtls()
        self._look_at_dtls(dtls)
        self._set_timer()

    def _look_at_dtls(self, dtls: DtlsTransport) -> None:
        if dtls.state == "connected" and self._srtp is None:
            self._srtp = Srtp(dtls.srtp_keys())
            if self._sctp is not None:
                self._sctp.start()
            self._listener.on_connected()
        elif dtls.state == "failed" and not self._gone:
            logger.info("DTLS failed: %s", dtls.failure)
            self._go(hung_up=False)
        elif dtls.state == "closed":
            self._go(hung_up=dtls.closed_by_peer)

    # Packets out

    def ticks(self, clock_hz: int, now: float) -> int:
        """The time ``now`` on the clock of our stream."""
        return int((now - self._begin_s) * clock_hz)

    def send_rtp(self, payload: bytes, payload_type: int, ticks: int, *, marker: bool) -> None:
        """One packet to where the peer is; lost, as on any network, while it is nowhere."""
        srtp, ice = self._srtp, self._ice
        if srtp is None or ice is None or ice.selected is None:
            return
        packet = self._writer.packet(payload, payload_type, ticks, marker=marker)
        ice.selected.send(srtp.protect(packet))

    def send(self, message: str) -> None:
        """A message on the data channel; dropped when that cannot take it."""
        self._channel.send(message)

    async def drained(self) -> None:
        await self._channel.drained()

    def _send_sctp(self, packet: bytes) -> None:
        if self._dtls is not None:
            self._dtls.send(packet)
            self._send_dtls()

    def _send_dtls(self) -> None:
        if self._dtls is None or self._ice is None:
            return
        path = self._ice.selected
        for datagram in self._dtls.outgoing():
            if path is not None:
                path.send(datagram)

    # Time

    def _set_timer(self) -> None:
        if self._closed or self._dtls is None:
            return
        now = self._clock()
        due_s = now + TICK_S
        dtls_s = self._dtls.deadline()
        if dtls_s is not None:
            due_s = min(due_s, dtls_s)
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.001, due_s - now), self._tick)

    def _tick(self) -> None:
        dtls, ice, now = self._dtls, self._ice, self._clock()
        if dtls is None or ice is None or self._closed:
            return
        if dtls.deadline() is not None:
            dtls.tick(now)
            self._send_dtls()
        self._look_at_dtls(dtls)
        if self._srtp is not None:
            self._report(now)
            if ice.is_lost(now):
                self._go(hung_up=False)
        self._set_timer()

    def _report(self, now: float) -> None:
        assert self._ice is not None
        assert self._srtp is not None
        if self.negotiated is None or not self.negotiated.formats:
            return
        ticks = self.ticks(self.negotiated.formats[0].clock_hz, now)
        report = self._rtcp.report(ticks, now)
        if report is not None and self._ice.selected is not None:
            self._ice.selected.send(self._srtp.protect_rtcp(report))

    # The end

    def _go(self, *, hung_up: bool) -> None:
        if not self._gone and not self._closed:
            self._gone = True
            self._listener.on_gone(hung_up=hung_up)

    def close(self) -> None:
        """Say goodbye and free everything.  Safe to call twice."""
        if self._closed:
            return
        now = self._clock()
        if self._sctp is not None:
            self._sctp.close()
        path = self._ice.selected if self._ice is not None else None
        if self._srtp is not None and path is not None and self.negotiated is not None:
            ticks = self.ticks(self.negotiated.formats[0].clock_hz, now)
            path.send(self._srtp.protect_rtcp(self._rtcp.goodbye(ticks, now)))
        if self._dtls is not None:
            self._dtls.close()
            self._send_dtls()
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._ice is not None:
            self._place.sockets.remove(*self._ice.ufrags)

    def counters(self) -> dict[str, int]:
        """What came of the peer's packets and ours."""
        reception = self._rtcp.reception
        return {
            "rtp_received": reception.received if reception else 0,
            "rtp_lost": reception.lost if reception else 0,
            "rtp_sent": self._writer.packets,
            "packets_dropped": self.dropped,
        }

"""One caller: HTTP, ICE and DTLS in a straight line, then packets both ways.

:func:`connect` blocks, so that each step can be timed by itself.  What it returns is for a
loop that owns the socket.
"""

from __future__ import annotations

import http.client
import secrets
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pylibsrtp import Error as SrtpError
from pylibsrtp import Session

from bench.rig import rtp, sdp
from bench.rig.dtls import Dtls, Identity
from bench.rig.ice import Checks, is_stun

CONSENT_S = 2.5  # between two checks of consent
_REPEAT_S = 0.05  # a check that was not answered is sent again
_DATAGRAM_BYTES = 2048
# The kernel's time of arrival, so that a busy caller measures the gateway and not itself.
_SO_TIMESTAMPNS = 35 if sys.platform == "linux" else None
_TIMESPEC = struct.Struct("@qq")
_ANCILLARY_BYTES = 64
_SAMPLED = 50  # of a caller that is not measured, one packet in this many is opened


class CallFailed(Exception):
    """A call did not come about; the text says at which step."""


@dataclass(slots=True)
class Steps:
    """How long each step took, in ms, and the whole until the first packet of sound."""

    answer_ms: float = 0.0
    ice_ms: float = 0.0
    dtls_ms: float = 0.0
    media_ms: float = 0.0

    @property
    def total_ms(self) -> float:
        return self.answer_ms + self.ice_ms + self.dtls_ms + self.media_ms


@dataclass(slots=True)
class Arrived:
    """A packet as it came: seconds of the monotonic clock, and the plain RTP packet."""

    at_s: float
    packet: bytes


@dataclass(slots=True)
class Caller:
    """A connected call.  The loop calls ``send`` every 20 ms and ``receive`` when there is
    something to read; ``keep`` answers and sends checks of consent.
    """

    socket: socket.socket
    checks: Checks
    dtls: Dtls
    steps: Steps
    ssrc: int
    packets: tuple[bytes, ...]
    onset: int  # the index of the packet with the first sound
    position: int = 0  # of the next packet, in the loop of ``packets``
    is_measured: bool = False
    sequence: int = field(default_factory=lambda: secrets.randbits(15))
    timestamp: int = field(default_factory=lambda: secrets.randbits(31))
    sent: int = 0
    received: int = 0
    unreadable: int = 0
    refused: int = 0  # by the kernel: the gateway's socket is gone
    is_closed: bool = False
    arrived: list[Arrived] = field(default_factory=list)
    onsets_s: list[float] = field(default_factory=list)
    protect: Session = field(init=False)
    unprotect: Session = field(init=False)
    _asked_s: float = 0.0

    def secure(self) -> None:
        """Take the keys from the handshake."""
        self.protect, self.unprotect = self.dtls.srtp()

    def send(self) -> None:
        """The next packet of what the caller says."""
        position = self.position
        plain = (
            rtp.header(sdp.OPUS_TYPE, self.sequence, self.timestamp, self.ssrc)
            + self.packets[position]
        )
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + 960) & 0xFFFFFFFF
        self.position = (position + 1) % len(self.packets)
        self.sent += 1
        if position == self.onset and self.is_measured:
            self.onsets_s.append(time.monotonic())
        self._send(self.protect.protect(plain))

    def receive(self, realtime_offset_s: float) -> None:
        """Read one datagram.  ``realtime_offset_s`` turns the kernel's clock into ours."""
        try:
            if self.is_measured and _SO_TIMESTAMPNS:
                data, ancillary, _, _ = self.socket.recvmsg(_DATAGRAM_BYTES, _ANCILLARY_BYTES)
            else:
                data, ancillary = self.socket.recv(_DATAGRAM_BYTES), []
        except BlockingIOError:
            return
        except ConnectionError:
            self.refused += 1
            return
        if rtp.is_rtp(data):
            self.received += 1
            if self.is_measured:
                at_s = _arrival_s(ancillary, realtime_offset_s)
                self.arrived.append(Arrived(at_s, self._open(data)))
            elif self.received % _SAMPLED == 0:
                self._open(data)
        elif is_stun(data):
            if answer := self.checks.receive(data, self.socket.getpeername(), time.monotonic()):
                self._send(answer)
        elif data and 19 < data[0] < 64:
            self.dtls.receive(data)
            self.is_closed = self.is_closed or self.dtls.is_closed()

    def keep(self, now: float) -> None:
        """Ask for consent when that is due (RFC 7675)."""
        if now - self._asked_s >= CONSENT_S:
            self._asked_s = now
            self._send(self.checks.request())

    def close(self) -> None:
        """Say goodbye and close the socket."""
        self.dtls.close()
        for datagram in self.dtls.pending():
            self._send(datagram)
        self.socket.close()

    def _open(self, data: bytes) -> bytes:
        try:
            return self.unprotect.unprotect(data)
        except SrtpError:
            self.unreadable += 1
            return b""

    def _send(self, data: bytes) -> None:
        try:
            self.socket.send(data)
        except (BlockingIOError, ConnectionError):
            self.refused += 1


def connect(
    url: str,
    identity: Identity,
    packets: Callable[[int], tuple[bytes, ...]],
    onset: int,
    *,
    timeout_s: float = 10.0,
    wait_for_media: bool = False,
) -> Caller:
    """Open one call at the gateway at ``url``.  Raises :exc:`CallFailed`.

    ``packets`` makes what is said, of the rate that the answer asks for.

    With ``wait_for_media`` the caller speaks until the first packet of the gateway's has
    come; without it ``media_ms`` stays 0.
    """
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if _SO_TIMESTAMPNS:
        wire.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    wire.bind(("", 0))
    try:
        checks, ssrc = Checks(), secrets.randbits(32)
        offer = sdp.offer(
            ice_ufrag=checks.local_ufrag,
            ice_pwd=checks.local_pwd,
            fingerprint=identity.fingerprint,
            ssrc=ssrc,
            port=wire.getsockname()[1],
        )
        begin = time.monotonic()
        answer = sdp.read_answer(_post(url, offer, timeout_s))
        answered = time.monotonic()
        checks.remote_ufrag, checks.remote_pwd = answer.ice_ufrag, answer.ice_pwd
        dtls = Dtls(identity, is_client=not answer.is_active)
        caller = Caller(wire, checks, dtls, Steps(), ssrc, packets(answer.max_playback_hz), onset)
        wire.connect(answer.address)
        wire.setblocking(False)
        early = _check(caller, answered + timeout_s)
        checked = time.monotonic()
        _shake_hands(caller, early, checked + timeout_s)
        if dtls.peer_fingerprint() != answer.fingerprint:
            raise CallFailed("DTLS: the certificate is not the one of the answer")
        caller.secure()
        secured = time.monotonic()
        caller.steps = Steps(
            (answered - begin) * 1e3, (checked - answered) * 1e3, (secured - checked) * 1e3
        )
        if wait_for_media:
            _speak(caller, secured + timeout_s)
            caller.steps.media_ms = (time.monotonic() - secured) * 1e3
    except ValueError as error:
        wire.close()
        raise CallFailed(f"the answer: {error}") from error
    except CallFailed:
        wire.close()
        raise
    except Exception as error:
        wire.close()
        raise CallFailed(f"{type(error).__name__}: {error}") from error
    return caller


def _post(url: str, offer: str, timeout_s: float) -> str:
    parts = urlsplit(url)
    assert parts.hostname, "an address with a host"
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    try:
        headers = {"Content-Type": "application/sdp"}
        connection.request("POST", "/v1/calls", body=offer.encode(), headers=headers)
        response = connection.getresponse()
        text = response.read().decode()
        if response.status != 201:
            raise CallFailed(f"HTTP {response.status}: {text[:200]}")
        return text
    finally:
        connection.close()


def _check(caller: Caller, deadline: float) -> list[bytes]:
    """Send checks until one is answered; DTLS that came before that is returned."""
    early: list[bytes] = []
    asked = -1.0
    while caller.checks.answered_s is None:
        now = time.monotonic()
        if now > deadline:
            raise CallFailed("ICE: no check was answered")
        if now - asked > _REPEAT_S:
            asked = now
            caller._send(caller.checks.request())
        early += _read_handshake(caller, _REPEAT_S)
    return early


def _shake_hands(caller: Caller, early: list[bytes], deadline: float) -> None:
    dtls = caller.dtls
    for datagram in early:
        dtls.receive(datagram)
        dtls.step()
    while not dtls.step():
        for datagram in dtls.pending():
            caller._send(datagram)
        if time.monotonic() > deadline:
            raise CallFailed("DTLS: the handshake did not end")
        news = _read_handshake(caller, _REPEAT_S)
        if not news:
            dtls.repeat()
        for datagram in news:
            dtls.receive(datagram)
    for datagram in dtls.pending():
        caller._send(datagram)


def _read_handshake(caller: Caller, wait_s: float) -> list[bytes]:
    """One datagram, if one comes: STUN is answered here, DTLS is returned."""
    if not select.select([caller.socket], [], [], wait_s)[0]:
        return []
    try:
        data = caller.socket.recv(_DATAGRAM_BYTES)
    except (BlockingIOError, ConnectionError):
        return []
    if not is_stun(data):
        return [data] if data and 19 < data[0] < 64 else []
    answer = caller.checks.receive(data, caller.socket.getpeername(), time.monotonic())
    if answer:
        caller._send(answer)
    return []


def _speak(caller: Caller, deadline: float) -> None:
    """Send packets in real time until the first one has come."""
    due = time.monotonic()
    while not caller.received:
        now = time.monotonic()
        if now > deadline:
            raise CallFailed("no media came")
        if now >= due:
            caller.send()
            due += 0.02
        if select.select([caller.socket], [], [], max(0.0, due - now))[0]:
            caller.receive(0.0)


def _arrival_s(ancillary: list[tuple[int, int, bytes]], realtime_offset_s: float) -> float:
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(value)
            return float(seconds + nanoseconds * 1e-9 + realtime_offset_s)
    return time.monotonic()

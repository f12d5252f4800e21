"""The seam between a call and the WebRTC engine that carries it.

A call sees its peer as the few methods of :class:`Peer`; the peer tells the
call what happens through :class:`PeerListener` and takes the reply's sound
from a :class:`Playout`.  Sound crosses as PCM, messages as text: nothing above
this line knows packets, codecs or which engine is at work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

UPLINK_HZ = 16000  # mono s16le, what the Live API takes
DOWNLINK_HZ = 24000  # mono s16le, what it gives
FRAME_MS = 20
DOWNLINK_FRAME_BYTES = DOWNLINK_HZ * FRAME_MS // 1000 * 2


class Playout(Protocol):
    """Where a peer takes the reply from; the peer's clock decides when."""

    def encode_with(self, encode: Callable[[bytes], bytes] | None) -> None:
        """From now on frames come out as ``encode`` makes them of 24 kHz mono s16le."""

    def pull(self) -> bytes | None:
        """20 ms of 24 kHz mono s16le, or what the encoder made of it; ``None`` for silence."""

    def prepare(self) -> None:
        """Do a little of the work of the next pull now."""


class PeerListener(Protocol):
    """What a peer tells its call.  Called on the event loop; must not wait."""

    def on_connected(self) -> None:
        """Media can flow: ICE and DTLS are up."""

    def on_audio(self, pcm: bytes) -> None:
        """16 kHz mono s16le from the client, in order, any whole number of samples."""

    def on_message(self, message: str | bytes) -> None:
        """A message came on the data channel."""

    def on_gone(self, *, hung_up: bool) -> None:
        """The peer is gone: it closed in an orderly way, or the connection failed."""


class Peer(Protocol):
    """One WebRTC endpoint of a call."""

    @property
    def has_channel(self) -> bool:
        """Whether the client asked for a data channel: without one it is told nothing."""

    async def answer(self, offer: str) -> str:
        """Take the client's SDP offer, return the complete answer.

        Raises :exc:`~gateway.errors.BadOffer` or :exc:`~gateway.errors.NoCommonCodec`.
        """

    @property
    def etag(self) -> str:
        """Names this generation of ICE credentials; another after each restart."""

    async def renegotiate(self, offer: str) -> str:
        """Take a later offer of the same client; new credentials in it restart ICE.

        Raises as :meth:`answer` does, or :exc:`~gateway.errors.CannotChange`;
        then everything is as before.
        """

    def patch(self, fragment: str, *, may_restart: bool) -> str | None:
        """Trickle ICE, or an ICE restart, by a fragment (RFC 9725 §4.3).

        Returns the fragment that answers a restart, ``None`` for candidates.
        Raises :exc:`~gateway.errors.BadFragment`,
        :exc:`~gateway.errors.UnknownUfrag` for new credentials when it may not
        restart, or :exc:`~gateway.errors.CannotChange`.
        """

    def wake(self) -> None:
        """Sound may be waiting in the playout: a clock that has stopped begins to pull."""

    def send(self, message: str) -> None:
        """Put a message on the data channel; dropped if that cannot take it now.

        Never raises: a client that reads nothing, or takes only small messages,
        is the client's affair.
        """

    async def drained(self) -> None:
        """Wait until every message handed to :meth:`send` has left."""

    def counters(self) -> dict[str, int]:
        """What came and went in packets, and what was repaired; ``{}`` if nobody counts."""

    async def aclose(self) -> None:
        """Free everything.  Safe to call twice."""

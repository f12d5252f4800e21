"""The audio codecs of a call, by the names they have in SDP.

Whatever the codec: payloads become 16 kHz mono s16le, which is what the Live API takes,
and 24 kHz mono s16le, which is what it gives, becomes payloads.  Lengths are ticks of the
codec's RTP clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.media.opus import OpusDecoder, OpusEncoder, has_fec, packet_samples
from gateway.media.telephone import g711_decoder, g711_encoder, g722_decoder, g722_encoder

DECODED_HZ = 16_000
ENCODED_HZ = 24_000


class AudioDecoder(Protocol):
    """Payloads of one stream, in order, to 16 kHz mono s16le."""

    def decode(self, payload: bytes, /) -> bytes:
        """The samples of one payload.  Raises :exc:`ValueError` when it is none."""

    def ticks(self, payload: bytes, /) -> int:
        """How long a payload is; 0 for one that cannot be decoded."""

    def conceal(self, ticks: int, /) -> bytes:
        """A guess at what is missing after the last payload."""

    def redundancy(self, payload: bytes, /) -> int:
        """How much of what precedes a payload is in it as well."""

    def recover(self, payload: bytes, ticks: int, /) -> bytes:
        """The ``ticks`` that precede ``payload``, no more than it has of redundancy.

        To be called before ``payload`` is decoded.  Raises :exc:`ValueError` like ``decode``.
        """


class AudioEncoder(Protocol):
    """24 kHz mono s16le to the payloads of one stream."""

    def encode(self, pcm: bytes, /) -> bytes:
        """20 ms to one payload.  Raises :exc:`ValueError` for another length."""


class _OpusTicks:
    """An Opus decoder that counts in its RTP clock, which is always 48 kHz (RFC 7587 §4.1)."""

    def __init__(self) -> None:
        opus = OpusDecoder(DECODED_HZ)
        self.decode: Callable[[bytes], bytes] = opus.decode
        self._opus = opus

    def ticks(self, payload: bytes) -> int:
        return packet_samples(payload, 48_000)

    def conceal(self, ticks: int) -> bytes:
        return self._opus.conceal(ticks // 3)

    def redundancy(self, payload: bytes) -> int:
        return packet_samples(payload, 48_000) if has_fec(payload) else 0

    def recover(self, payload: bytes, ticks: int) -> bytes:
        return self._opus.recover(payload, ticks // 3)


@dataclass(frozen=True, slots=True)
class AudioCodec:
    """What SDP says of a codec (``a=rtpmap``), and who does it."""

    name: str
    clock_hz: int
    channels: int
    make_decoder: Callable[[], AudioDecoder]
    make_encoder: Callable[..., AudioEncoder]


# Opus is always named with two channels (RFC 7587 §7); what is sent here is mono.
_ALL = (
    AudioCodec("opus", 48_000, 2, _OpusTicks, OpusEncoder),
    AudioCodec("G722", 8_000, 1, g722_decoder, g722_encoder),
    AudioCodec("PCMU", 8_000, 1, lambda: g711_decoder("PCMU"), lambda: g711_encoder("PCMU")),
    AudioCodec("PCMA", 8_000, 1, lambda: g711_decoder("PCMA"), lambda: g711_encoder("PCMA")),
)
CODECS: Mapping[str, AudioCodec] = {codec.name.lower(): codec for codec in _ALL}


def make_decoder(name: str) -> AudioDecoder:
    """A decoder for one stream.  Raises :exc:`LookupError` for a codec that is not in the table."""
    return _find(name).make_decoder()


def make_encoder(name: str, **tuning: Any) -> AudioEncoder:
    """An encoder for one stream; ``tuning`` are the options of ``OpusEncoder``.

    Raises :exc:`LookupError` for an unknown codec and :exc:`TypeError` for tuning it has not.
    """
    return _find(name).make_encoder(**tuning)


def clock_hz(name: str) -> int:
    """The rate of a codec's RTP timestamps.  Raises :exc:`LookupError`."""
    return _find(name).clock_hz


def _find(name: str) -> AudioCodec:
    try:
        return CODECS[name.lower()]  # names ignore case, RFC 4855 §3
    except KeyError:
        raise LookupError(f"{name} is not among {', '.join(c.name for c in _ALL)}") from None

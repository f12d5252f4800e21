"""The audio formats of a section: which of those offered we take, and on what terms.

What an answer says of a format is what its writer wants to *receive*
(RFC 7587 §6.1, RFC 3264 §6.1); what the offer said is what to send.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.rtc.sections import Section

OPUS_TERMS = "minptime=10;useinbandfec=1;maxplaybackrate=16000;maxaveragebitrate=32000"
"""What we ask of Opus: mono, which is the default, of what a 16 kHz decoder can use.

``maxplaybackrate`` stops the sender at wideband.  There Opus is SILK alone,
whose in-band FEC then covers the whole signal.  Senders lower their bit rate
with the bandwidth; ``maxaveragebitrate`` lets them keep the bits for quality
and FEC.
"""

OPUS_CAPTURE = "sprop-maxcapturerate=24000"
"""What we send has no sound above 12 kHz: the model's voice is 24 kHz PCM."""

_CODECS = {
    ("opus", 48000): "opus",
    ("g722", 8000): "G722",
    ("pcmu", 8000): "PCMU",
    ("pcma", 8000): "PCMA",
}
_STATIC = {0: ("PCMU", 8000), 8: ("PCMA", 8000), 9: ("G722", 8000)}  # RFC 3551 §6
_FMTP = re.compile(r"a=fmtp:([0-9]{1,3}) (.+)")


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A payload type and what it means.

    ``clock_hz`` is the RTP clock; ``fmtp`` are the offer's parameters in order:
    what the peer wants to receive.  ``channels`` is as offered; 2 says nothing
    of Opus (RFC 7587 §7), the other formats have one.
    """

    payload_type: int
    name: str  # "opus", "G722", "PCMU" or "PCMA"
    clock_hz: int
    channels: int = 1
    fmtp: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str) -> str | None:
        """One of the peer's parameters, ``None`` when it said nothing of it."""
        return next((value for key, value in self.fmtp if key == name), None)


def choose_formats(section: Section) -> tuple[AudioFormat, ...]:
    """What we take of a section, in the offer's order; empty when nothing is ours."""
    terms = _fmtp_of(section)
    formats = []
    for payload_type, (name, clock_hz, channels) in _offered(section).items():
        known = _CODECS.get((name.lower(), clock_hz))
        if known is not None and (channels == 1 or known == "opus"):
            fmtp = terms.get(payload_type, ())
            formats.append(AudioFormat(payload_type, known, clock_hz, channels, fmtp))
    return tuple(formats)


def choose_telephone_event(section: Section, formats: Sequence[AudioFormat]) -> int | None:
    """The payload type of DTMF on the clock of the first format (RFC 4733 §2.3)."""
    for payload_type, (name, clock_hz, _) in _offered(section).items():
        if name.lower() == "telephone-event" and clock_hz == formats[0].clock_hz:
            return payload_type
    return None


def _offered(section: Section) -> dict[int, tuple[str, int, int]]:
    """Name, clock and channels of each payload type, in the order of the ``m=`` line."""
    mapped = {
        codec.payloadType: (codec.mimeType.rpartition("/")[2], codec.clockRate, codec.channels or 1)
        for codec in section.media.rtp.codecs
    }
    offered = {}
    for payload_type in section.media.fmt:
        if payload_type in mapped and payload_type < 128:
            offered[payload_type] = mapped[payload_type]
        elif payload_type in _STATIC:
            offered[payload_type] = (*_STATIC[payload_type], 1)
    return offered


def _fmtp_of(section: Section) -> dict[int, tuple[tuple[str, str], ...]]:
    found = {}
    for line in section.lines:
        match = _FMTP.fullmatch(line)
        if match:
            pairs = (part.strip().partition("=") for part in match[2].split(";"))
            found[int(match[1])] = tuple((key.lower(), value) for key, _, value in pairs if key)
    return found

"""The text of an answer, section by section.

We are ICE-lite with all candidates known, on one transport for everything.
Candidates stand in the first accepted section of the group alone; credentials,
fingerprint and role stand in each, because some stacks look for them there
though BUNDLE would not need it (RFC 8843 §7.3).

Port and address are those of the first UDP candidate: the default destination
of RFC 8839 §4.2.1, which a strict peer compares with the candidates; a bare
``9`` and ``0.0.0.0`` would claim that candidates are still to come.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from aiortc import sdp

from gateway.rtc.formats import OPUS_CAPTURE, OPUS_TERMS, AudioFormat
from gateway.rtc.sections import AUDIO_LEVEL_URI, MID_URI, Section

MAX_MESSAGE_BYTES = 65_536
"""The largest data channel message we take."""


@dataclass(frozen=True, slots=True)
class LocalParameters:
    """What an answer says of us.

    ``fingerprint`` is the sha-256 of the certificate as hex pairs with colons,
    ``candidates`` are attribute values (``candidate:…``), best first, ``ssrc``
    is of what we send.  ``session_version`` grows with each answer of a call.
    """

    ufrag: str
    pwd: str
    fingerprint: str
    candidates: tuple[str, ...]
    ssrc: int
    cname: str
    session_id: int
    session_version: int


@dataclass(frozen=True, slots=True)
class Transport:
    """What every accepted section repeats, and how its first lines read."""

    port: int
    connection: str
    lines: tuple[str, ...]
    candidates: tuple[str, ...]

    @classmethod
    def of(cls, local: LocalParameters, *, is_dtls_client: bool, is_trickling: bool) -> Transport:
        address, port = _default_destination(local.candidates)
        return cls(
            port=port,
            connection=f"c={sdp.ipaddress_to_sdp(address)}",
            lines=(
                f"a=ice-ufrag:{local.ufrag}",
                f"a=ice-pwd:{local.pwd}",
                *(("a=ice-options:trickle",) if is_trickling else ()),
                f"a=fingerprint:sha-256 {local.fingerprint}",
                f"a=setup:{'active' if is_dtls_client else 'passive'}",
            ),
            candidates=(*(f"a={value}" for value in local.candidates), "a=end-of-candidates"),
        )

    def open(self, section: Section, formats: str) -> list[str]:
        """The lines that every accepted section begins with."""
        media = section.media
        lines = [f"m={media.kind} {self.port} {media.profile} {formats}", self.connection]
        if section.mid:
            lines.append(f"a=mid:{section.mid}")
        return [*lines, *self.lines]


def head(local: LocalParameters, group: Sequence[str]) -> list[str]:
    """The session part; ``group`` are the accepted mids, none without BUNDLE."""
    lines = [
        "v=0",
        f"o=- {local.session_id} {local.session_version} IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=ice-lite",
    ]
    if group:
        lines.append(f"a=group:BUNDLE {' '.join(group)}")
    return [*lines, "a=msid-semantic:WMS *"]


def audio_section(
    section: Section,
    transport: Transport,
    formats: Sequence[AudioFormat],
    telephone_event: int | None,
    direction: str,
    local: LocalParameters,
) -> list[str]:
    """An accepted audio section; ``direction`` is from our side."""
    numbers = [str(fmt.payload_type) for fmt in formats]
    if telephone_event is not None:
        numbers.append(str(telephone_event))
    lines = transport.open(section, " ".join(numbers))
    lines += [f"a={direction}", "a=rtcp-mux"]
    if "a=rtcp-rsize" in section.lines:
        lines.append("a=rtcp-rsize")
    for uri in (MID_URI, AUDIO_LEVEL_URI):
        extension_id = section.extension_id(uri)
        if extension_id is not None:
            lines.append(f"a=extmap:{extension_id} {uri}")
    for fmt in formats:
        channels = f"/{fmt.channels}" if fmt.channels > 1 else ""
        lines.append(f"a=rtpmap:{fmt.payload_type} {fmt.name}/{fmt.clock_hz}{channels}")
        if fmt.name == "opus":
            lines.append(f"a=fmtp:{fmt.payload_type} {OPUS_TERMS};{OPUS_CAPTURE}")
    if telephone_event is not None:
        lines.append(f"a=rtpmap:{telephone_event} telephone-event/{formats[0].clock_hz}")
        lines.append(f"a=fmtp:{telephone_event} 0-15")
    lines.append("a=ptime:20")
    if direction in ("sendrecv", "sendonly"):
        lines.append(f"a=msid:{local.cname} audio")
        lines.append(f"a=ssrc:{local.ssrc} cname:{local.cname}")
    return lines


def carrier_section(section: Section, transport: Transport) -> list[str]:
    """Inactive video that lends its transport, in its first codec: nothing will flow."""
    codec = section.media.rtp.codecs[0]
    name = codec.mimeType.rpartition("/")[2]
    return [
        *transport.open(section, str(codec.payloadType)),
        "a=inactive",
        "a=rtcp-mux",
        f"a=rtpmap:{codec.payloadType} {name}/{codec.clockRate}",
    ]


def data_section(section: Section, transport: Transport, sctp_port: int) -> list[str]:
    """An accepted data channel section, in the form of the offer (RFC 8841, or before it)."""
    lines = transport.open(section, " ".join(map(str, section.media.fmt)))
    if section.media.fmt == ["webrtc-datachannel"]:
        lines.append(f"a=sctp-port:{sctp_port}")
    else:
        lines.append(f"a=sctpmap:{sctp_port} webrtc-datachannel 65535")
    return [*lines, f"a=max-message-size:{MAX_MESSAGE_BYTES}"]


def _default_destination(candidates: Sequence[str]) -> tuple[str, int]:
    """Address and port of the first UDP candidate; 0.0.0.0 and 9 without one."""
    for candidate in candidates:
        fields = candidate.split()
        if fields[2].lower() == "udp":
            try:
                return str(ipaddress.ip_address(fields[4])), int(fields[5])
            except ValueError:  # a name
                continue
    return "0.0.0.0", 9  # noqa: S104 - the address that says "none"

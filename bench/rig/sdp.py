"""The little SDP a caller needs: one audio section out, one answer in (RFC 8829)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MAX_PLAYBACK = re.compile(r"\bmaxplaybackrate=([0-9]{4,5})\b")
OPUS_TYPE = 111  # the payload type that is offered


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller must know of an answer.

    ``address`` is the UDP candidate to check; ``fingerprint`` is the sha-256 in upper
    case with colons; ``is_active`` means that the answerer is the DTLS client (RFC 5763);
    ``max_playback_hz`` is the sound it can make use of (RFC 7587 §6.1).
    """

    ice_ufrag: str
    ice_pwd: str
    fingerprint: str
    is_active: bool
    address: tuple[str, int]
    max_playback_hz: int = 48_000


def offer(*, ice_ufrag: str, ice_pwd: str, fingerprint: str, ssrc: int, port: int) -> str:
    """An offer of one ``sendrecv`` Opus section with one host candidate on loopback."""
    lines = (
        "v=0",
        f"o=- {ssrc} 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        f"m=audio {port} UDP/TLS/RTP/SAVPF {OPUS_TYPE}",
        "c=IN IP4 127.0.0.1",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=rtcp-mux",
        f"a=rtpmap:{OPUS_TYPE} opus/48000/2",
        f"a=fmtp:{OPUS_TYPE} minptime=10;useinbandfec=1",
        f"a=ssrc:{ssrc} cname:caller",
        f"a=ice-ufrag:{ice_ufrag}",
        f"a=ice-pwd:{ice_pwd}",
        f"a=fingerprint:sha-256 {fingerprint}",
        "a=setup:actpass",
        f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host",
        "a=end-of-candidates",
    )
    return "".join(f"{line}\r\n" for line in lines)


def read_answer(text: str) -> Answer:
    """What ``text`` says.  Raises :exc:`ValueError` if something needed is missing.

    Of several UDP candidates the one on 127.0.0.1 is taken, else the first IPv4 one.
    """
    values: dict[str, str] = {}
    candidates: list[tuple[str, int]] = []
    for line in text.splitlines():
        name, _, value = line.strip().removeprefix("a=").partition(":")
        if name == "candidate":
            fields = value.split()
            if len(fields) >= 8 and fields[2].lower() == "udp" and "." in fields[4]:
                candidates.append((fields[4], int(fields[5])))
        elif name == "fingerprint":
            kind, _, digest = value.partition(" ")
            if kind.lower() == "sha-256":
                values[name] = digest.strip().upper()
        elif name == "fmtp" and (found := _MAX_PLAYBACK.search(value)):
            values[name] = found[1]
        elif name in ("ice-ufrag", "ice-pwd", "setup"):
            values.setdefault(name, value.strip())
    missing = {"ice-ufrag", "ice-pwd", "setup", "fingerprint"} - values.keys()
    if missing or not candidates:
        raise ValueError(f"the answer lacks {', '.join(sorted(missing)) or 'a UDP candidate'}")
    loopback = [address for address in candidates if address[0] == "127.0.0.1"]
    return Answer(
        ice_ufrag=values["ice-ufrag"],
        ice_pwd=values["ice-pwd"],
        fingerprint=values["fingerprint"],
        is_active=values["setup"] == "active",
        address=(loopback or candidates)[0],
        max_playback_hz=int(values.get("fmtp", 48_000)),
    )

"""An offer read into its sections, and how a section is rejected.

aiortc's parser is strict: one line it does not expect ends the whole reading,
whichever section it is in.  :func:`read_sections` shows it only the lines that
decide something, and keeps the raw ones beside its result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiortc import sdp

from gateway.errors import BadOffer

FINGERPRINTS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
"""Hash functions of certificates that we know (RFC 8122 §5), and their bytes."""

MAX_CHARACTERS = 65_536
MAX_SECTIONS = 64

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

NO_CREDENTIALS = "the offer has no ICE credentials (a=ice-ufrag, a=ice-pwd)"
NO_ROLE = "the offer has no DTLS role (a=setup)"
NO_FINGERPRINT = "the offer has no fingerprint we know (a=fingerprint:sha-256 …)"
NO_RTCP_MUX = "the audio section does not multiplex RTCP (a=rtcp-mux)"
NO_AUDIO = "the offer has no audio section"
INACTIVE = "the audio section is inactive: no sound could go either way"
NO_CODEC = "the audio section has none of Opus, G.722, PCMU and PCMA"

_DIRECTIONS = frozenset({"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"})
_SESSION_LINE = re.compile(
    r"[vost]=|a=(?:group|ice-ufrag|ice-pwd|ice-options|fingerprint|setup):|a=ice-lite$"
)
_MEDIA_LINE = re.compile(
    r"a=(?:mid|ice-ufrag|ice-pwd|ice-options|fingerprint|setup|rtpmap"
    r"|sctp-port|sctpmap|max-message-size):|a=rtcp-mux$"
)
_EXTENSION = re.compile(
    rf"a=extmap:([0-9]{{1,2}})(?:/sendrecv)? ({re.escape(MID_URI)}|{re.escape(AUDIO_LEVEL_URI)})"
)
_M_LINE = re.compile(r"m=(?P<kind>\S+) \S+ (?P<profile>\S+) (?P<formats>.+)")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`{|}~0-9A-Za-z]+")  # RFC 8866 §9


@dataclass(frozen=True, slots=True)
class Section:
    """One ``m=`` section: its place, what aiortc made of it, and its lines as they came."""

    index: int
    media: sdp.MediaDescription
    lines: tuple[str, ...]

    @property
    def mid(self) -> str:
        """Its name in the BUNDLE group; empty when it has none."""
        return self.media.rtp.muxId

    @property
    def is_bundle_only(self) -> bool:
        """Port 0, yet offered: it has no transport but the group's (RFC 8843 §6)."""
        return "a=bundle-only" in self.lines

    @property
    def direction(self) -> str:
        """``sendrecv`` when nothing is said (RFC 8866 §6.7)."""
        return self.media.direction or "sendrecv"

    @property
    def rejection(self) -> list[str]:
        """The lines that reject it, in the words of its own first line."""
        parts = _M_LINE.fullmatch(self.lines[0])
        assert parts is not None, "it was read"
        return rejection(parts["kind"], parts["profile"], parts["formats"], self.mid)

    def extension_id(self, uri: str) -> int | None:
        """The id of a header extension, if it fits a one-byte header (RFC 8285 §4.2)."""
        for extension in self.media.rtp.headerExtensions:
            if extension.uri == uri and 1 <= extension.id <= 14:
                return int(extension.id)
        return None


@dataclass(frozen=True, slots=True)
class Description:
    """An offer's sections in order, and its BUNDLE groups as lists of mids."""

    sections: tuple[Section, ...]
    groups: tuple[tuple[str, ...], ...]
    is_lite: bool
    is_trickling: bool

    def is_alive(self, section: Section) -> bool:
        """Port 0 is a rejected section, unless a group lends it a transport."""
        is_lent = section.is_bundle_only and bool(self.group_of(section))
        return section.media.port != 0 or is_lent

    def group_of(self, section: Section) -> tuple[str, ...]:
        """The mids that share a transport with a section; empty without a group."""
        for group in self.groups:
            if section.mid and section.mid in group:
                return group
        return ()


def parse(text: str) -> sdp.SessionDescription:
    """An offer as aiortc reads it; :exc:`BadOffer` says why it cannot."""
    if not text.lstrip().startswith("v=0"):
        raise BadOffer("the body is not SDP: it does not begin with v=0")
    try:
        description = sdp.SessionDescription.parse(text)
    except Exception as error:  # aiortc's parser has no error of its own
        raise BadOffer(f"the SDP cannot be read ({type(error).__name__})") from None
    if not description.media:
        raise BadOffer("the offer has no media section")
    return description


def read_sections(text: str) -> Description:
    """Read an offer, tolerant of every line that decides nothing.

    Raises :exc:`BadOffer` when it is no SDP, is larger than any call needs, or
    when a name that the answer must repeat is not one (RFC 5888 §4).
    """
    if len(text) > MAX_CHARACTERS:
        raise BadOffer(f"the offer is longer than {MAX_CHARACTERS} characters")
    session, groups = sdp.grouplines("\n".join(line.rstrip() for line in text.splitlines()))
    if len(groups) > MAX_SECTIONS:
        raise BadOffer(f"the offer has more than {MAX_SECTIONS} media sections")
    usual = [line for line in session if line in _DIRECTIONS]
    kept = [line for line in session if _SESSION_LINE.match(line)]
    for lines in groups:
        kept += [_shown_first(lines[0]), *usual, *filter(None, map(_shown, lines[1:]))]
    description = parse("\n".join(kept))
    sections = tuple(
        Section(index, media, tuple(lines))
        for index, (media, lines) in enumerate(zip(description.media, groups, strict=True))
    )
    _check_mids([section.mid for section in sections if section.mid])
    return Description(
        sections=sections,
        groups=tuple(
            tuple(dict.fromkeys(map(str, group.items)))
            for group in description.group
            if group.semantic == "BUNDLE"
        ),
        is_lite="a=ice-lite" in session,
        is_trickling=any(
            "trickle" in re.split("[ ,]", media.ice_options or "") for media in description.media
        ),
    )


def rejection(kind: str, profile: str, formats: str, mid: str) -> list[str]:
    """The lines of a section answered with port 0, in kind, profile and formats as it was."""
    lines = [f"m={kind} 0 {profile} {formats or '0'}", "c=IN IP4 0.0.0.0", "a=inactive"]
    return [*lines, f"a=mid:{mid}"] if mid else lines


def _shown_first(line: str) -> str:
    """The ``m=`` line as the parser is to see it: it knows few profiles, and no port ranges."""
    parts = _M_LINE.fullmatch(line)
    if not parts or not (line.isascii() and line.isprintable()):
        raise BadOffer("the SDP cannot be read (m=)")
    is_foreign = parts["kind"] not in ("audio", "video", "application")
    return f"m={parts['kind']} 0 OTHER 0" if is_foreign else line


def _shown(line: str) -> str | None:
    """A line of a section as the parser is to see it, ``None`` if it is not to."""
    if line in _DIRECTIONS or _MEDIA_LINE.match(line):
        return line
    if line == "a=rtcp-mux-only":  # RFC 8858 §3: the stronger form
        return "a=rtcp-mux"
    extension = _EXTENSION.fullmatch(line)
    return f"a=extmap:{extension[1]} {extension[2]}" if extension else None


def _check_mids(mids: list[str]) -> None:
    if not all(_TOKEN.fullmatch(mid) for mid in mids):
        raise BadOffer("the SDP cannot be read (a=mid)")
    if len(set(mids)) < len(mids):
        raise BadOffer("two sections have the same name (a=mid)")
